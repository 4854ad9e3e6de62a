import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from './campaign.js';

/** Cases that were found once, one JSON file each; the integration tests replay them. */
export interface Regression extends Finding {
  file: string;
}

/** Writes the case and returns the file's path. The same case gets the same name. */
export function saveRegression(folder: string, finding: Finding): string {
  const { dialect, world, steps } = finding;
  const hash = createHash('sha256')
    .update(JSON.stringify([world, steps]))
    .digest('hex')
    .slice(0, 10);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${dialect}-${finding.difference.kind}-${hash}.json`);
  writeFileSync(path, `${JSON.stringify(finding, undefined, 2)}\n`);
  return path;
}

/** Throws Error, naming the file, for one that cannot be read. */
export function readRegressions(folder: string, dialect: string): Regression[] {
  return readdirSync(folder)
    .filter((file) => file.startsWith(`${dialect}-`) && file.endsWith('.json'))
    .sort()
    .map((file) => {
      try {
        const finding = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Finding;
        if (!Array.isArray(finding.steps) || finding.world === undefined) throw new Error('no world or no steps in it');
        return { ...finding, file };
      } catch (error) {
        throw new Error(`${join(folder, file)}: ${(error as Error).message}`, { cause: error });
      }
    });
}
