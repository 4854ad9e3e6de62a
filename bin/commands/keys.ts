import { generateKeyPairSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { publicKeyText, readPrivateKey } from '@shadowline/agent/flag';
import type { CommandModule } from 'yargs';
import { readKeyFile, SecretError } from '../../orchestrator/scenario/secrets.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { note, print } from '../terminal.js';

const make: CommandModule<object, { out: string; json: boolean; quiet: boolean }> = {
  command: 'make',
  describe: 'Make a key pair: the private half in a file with mode 0600, the public half on stdout',
  builder: (cli) =>
    cli
      .option('out', {
        type: 'string',
        default: 'shadowline.key',
        describe: 'File of the private key; never overwritten',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print as JSON' })
      .option('quiet', { type: 'boolean', default: false, describe: 'Print the public key only' })
      .example('$0 keys make --out shadowline.key', 'Then name it in the scenario: shadow.flag.key: ./shadowline.key'),
  handler({ out, json, quiet }) {
    const { privateKey } = generateKeyPairSync('ed25519');
    const file = resolve(out);
    writeNew(file, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
    const publicKey = publicKeyText(privateKey);
    print(json ? JSON.stringify({ file, publicKey }) : publicKey);
    if (json) return;
    note(
      [
        '',
        `The private key is in ${out} (mode 0600). It signs shadow flags: keep it off version control.`,
        `In the scenario:   shadow: { flag: { key: ${out.startsWith('/') ? out : `./${out.replace(/^\.\//, '')}`} } }`,
        `Or in a variable:  export SHADOWLINE_KEY="$(cat ${out})"   and   key: env:SHADOWLINE_KEY`,
        'Agents need the public half only: `stress agent-config` puts it into their configuration.',
      ].join('\n'),
      quiet,
    );
  },
};

const publicHalf: CommandModule<object, { key: string }> = {
  command: 'public <key>',
  describe: 'Print the public half of a private key file',
  builder: (cli) =>
    cli
      .positional('key', { type: 'string', demandOption: true, describe: 'Private key file, or env:NAME' })
      .example('$0 keys public shadowline.key', ''),
  handler({ key }) {
    try {
      const name = /^env:(\w+)$/.exec(key)?.[1];
      const pem = name === undefined ? readKeyFile(key) : (process.env[name] ?? '').replaceAll('\\n', '\n');
      if (pem === '')
        throw new CliError(exitCodes.usage, `environment variable ${name} is not set`, 'set it, or name a key file');
      print(publicKeyText(readPrivateKey(pem)));
    } catch (error) {
      if (error instanceof CliError) throw error;
      if (error instanceof SecretError) throw new CliError(exitCodes.usage, error.message, error.remedy);
      throw new CliError(exitCodes.usage, `${key} is not an Ed25519 private key`, '`stress keys make` makes one');
    }
  },
};

/** Creates the file; fails when there is one, so that no key in use is ever lost. */
function writeNew(file: string, text: string): void {
  let handle: number;
  try {
    handle = openSync(file, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new CliError(exitCodes.usage, `${file} exists; a key is never overwritten`, 'choose another name with --out');
  }
  try {
    writeSync(handle, text);
  } finally {
    closeSync(handle);
  }
}

const keys: CommandModule = {
  command: 'keys',
  describe: 'Make the key pair that signs shadow flags',
  builder: (cli) =>
    cli
      .command(make as CommandModule)
      .command(publicHalf as CommandModule)
      .demandCommand(1, 'say which: make or public'),
  handler: () => undefined,
};

export default keys;
