import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

/** Which folder may import which: imports go one way. `npm` lists the packages; node: is always allowed. */
const ALLOWED: Record<string, { folders: string[]; npm: string[] | 'any' }> = {
  'shadow-db': { folders: [], npm: ['libpg-query'] },
  agent: { folders: ['shadow-db'], npm: [] },
  'orchestrator/result': { folders: [], npm: ['zod'] },
  orchestrator: {
    folders: ['agent/flag', 'agent/config', 'agent/capture', 'shadow-db', 'orchestrator/result'],
    npm: 'any',
  },
  reports: { folders: ['orchestrator/result'], npm: ['chart.js', '@napi-rs/canvas', 'hdr-histogram-js'] },
  scenarios: { folders: ['agent', 'shadow-db', 'orchestrator', 'orchestrator/result', 'reports'], npm: 'any' },
  bin: { folders: ['agent', 'shadow-db', 'orchestrator', 'orchestrator/result', 'reports'], npm: 'any' },
  bench: { folders: ['agent', 'shadow-db', 'orchestrator'], npm: 'any' },
};
const root = dirname(dirname(fileURLToPath(import.meta.url)));

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|cjs)$/.test(name) && !/\.test\.ts$|\.d\.ts$/.test(name))
    .filter((name) => !/(^|[\\/])(dist|fixtures|node_modules)[\\/]/.test(name))
    .map((name) => join(folder, name));
}

/** The folder of ALLOWED that a file belongs to: the longest one that fits. */
function folderOf(file: string): string | undefined {
  const path = file.split(sep).join('/');
  return Object.keys(ALLOWED)
    .filter((folder) => path.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length)[0];
}

function importsOf(text: string): string[] {
  const statements = text.matchAll(
    /^\s*(?:import|export)\b[^'"`;]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return [...statements].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

/** What is wrong with an import, or undefined. */
function complaint(file: string, specifier: string): string | undefined {
  const folder = folderOf(file)!;
  const rule = ALLOWED[folder]!;
  if (specifier.startsWith('node:')) return undefined;
  if (specifier.startsWith('.')) {
    const target = relative(root, resolve(root, dirname(file), specifier))
      .split(sep)
      .join('/');
    const to = folderOf(target);
    if (to === folder || (to !== undefined && rule.folders.includes(to))) return undefined;
    return `${file} → ${target}`;
  }
  const own = /^@shadowline\/(.+)$/.exec(specifier);
  if (own !== null) {
    const name = own[1]!;
    return rule.folders.some((allowed) => name === allowed || name.startsWith(`${allowed}/`))
      ? undefined
      : `${file} → ${specifier}`;
  }
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  return rule.npm === 'any' || rule.npm.includes(name) ? undefined : `${file} → ${specifier}`;
}

describe('imports go one way', () => {
  for (const folder of Object.keys(ALLOWED)) {
    it(`${folder} imports only what it may`, () => {
      const files = sources(folder).filter((file) => folderOf(file) === folder);
      expect(files.length).toBeGreaterThan(0);
      const wrong = files.flatMap((file) =>
        importsOf(readFileSync(join(root, file), 'utf8')).map((specifier) => complaint(file, specifier)),
      );
      expect(wrong.filter((line) => line !== undefined)).toEqual([]);
    });
  }

  it.each([
    ['agent/x.ts', 'zod'],
    ['agent/x.ts', '../orchestrator/run.js'],
    ['agent/instrument/x.ts', 'mysql2'],
    ['reports/x.ts', '../orchestrator/run.js'],
    ['orchestrator/x.ts', '../reports/index.js'],
    ['orchestrator/x.ts', '@shadowline/agent'],
    ['shadow-db/x.ts', '@shadowline/agent/flag'],
  ])('%s may not import %s', (file, specifier) => {
    expect(complaint(file, specifier)).toBeDefined();
  });
});
