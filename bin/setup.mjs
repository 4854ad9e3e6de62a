#!/usr/bin/env node
// Makes a fresh clone ready: node_modules, the compiled toolkit and, with --test, Chromium for the report's tests. It has no
// dependencies, says what it does, and does nothing the second time. Servers are fetched when they are first started.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const say = (line) => process.stderr.write(`setup: ${line}\n`);
const fail = (cause, remedy) => {
  process.stderr.write(`setup: ${cause}\n       ${remedy}\n`);
  process.exit(1);
};

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Node ${process.versions.node} is too old`, 'Shadowline needs Node 20.19 or newer.');
}

const run = (command, args, options = {}) => {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (done.error) fail(`${command} cannot be started: ${done.error.message}`, 'Is it on PATH?');
  return done.status ?? 1;
};
const onPath = (program) =>
  (process.env.PATH ?? '').split(delimiter).find((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Two set-ups in one clone wait for each other. A lock that nobody touches for a minute is taken over. */
async function withLock(work) {
  const lock = join(root, '.setup');
  for (let said = false; ; said = true) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const age = existsSync(lock) ? Date.now() - statSync(lock).mtimeMs : 0;
      if (age > 15 * 60_000) rmSync(lock, { recursive: true, force: true });
      else if (!said) say('waiting for another set-up in this folder');
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  const release = () => rmSync(lock, { recursive: true, force: true });
  process.on('exit', release);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
  utimesSync(lock, new Date(), new Date());
  work();
}

function installModules() {
  const stamp = join(root, 'node_modules', '.shadowline');
  const key = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(`${process.platform}-${process.arch}-${major}`)
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  say('installing node_modules (npm install, the versions of the lock file)');
  // Not `npm ci`: it refuses a lock file without the optional packages of every platform, and a registry may lack some of them.
  if (run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']) !== 0) {
    fail('npm install failed; its messages are above', 'Check the network and the registry that npm is set up for.');
  }
  writeFileSync(stamp, key);
}

function compile() {
  const started = Date.now();
  if (run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b']) !== 0) {
    fail('the toolkit does not compile; the compiler’s messages are above', 'Run `npx tsc -b` after mending them.');
  }
  if (Date.now() - started > 3000) say('compiled');
}

function chromium() {
  if (['chromium', 'chromium-browser', 'google-chrome'].some(onPath)) return;
  if (onPath('apt-get') && process.getuid?.() === 0) {
    say('installing chromium (apt-get, once): the report’s tests look at it in a browser');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const install = ['install', '-y', '-qq', '--no-install-recommends', 'chromium'];
    if (run('apt-get', install, { env }) === 0) return;
    run('apt-get', ['update', '-qq'], { env });
    if (run('apt-get', install, { env }) === 0) return;
  }
  say('no chromium on PATH: the report’s browser tests are skipped (Debian: apt-get install chromium)');
}

await withLock(() => {
  installModules();
  compile();
  if (process.argv.includes('--test')) chromium();
});
