import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { dirname } from 'node:path';
import type { Result } from '../result/schema.js';

/** Where the run was made: part of the result, so that two runs can be told apart. */
export async function environmentOf(
  scenarioFile: string,
  engine: string,
  workers: number,
): Promise<Result['environment']> {
  const processors = cpus();
  return {
    shadowline: toolkitVersion(),
    node: process.version,
    os: `${type()} ${release()} ${arch()}`,
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cpus: processors.length,
    memoryBytes: totalmem(),
    gitCommit: await gitCommit(dirname(scenarioFile)),
    engine,
    workers,
  };
}

/** From the nearest package.json of the toolkit: beside the sources, or above dist/. */
function toolkitVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as Record<
        string,
        string
      >;
      if (name === 'shadowline' && version !== undefined) return version;
    } catch {
      // the other one
    }
  }
  return 'unknown';
}

/** The commit of the repository that holds the scenario; null when it is in none. */
function gitCommit(cwd: string): Promise<string | null> {
  return new Promise((resolve) => {
    execFile('git', ['rev-parse', 'HEAD'], { cwd, timeout: 2000 }, (error, stdout) => {
      resolve(error === null && /^[0-9a-f]{40,64}\n?$/.test(stdout) ? stdout.trim() : null);
    });
  });
}
