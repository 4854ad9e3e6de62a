import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { postgresCorpus } from '../fixtures/postgres.js';
import { createRewriter, loadParser, type PostgresRewriter } from './index.js';

const files = ['orm-pg', 'shardingsphere-pg'] as const;
/** Schemas that the corpora name. */
const schemas = [
  'db1',
  'foo',
  'mammals',
  'myschema',
  'schema',
  'schema_fancy_wrapper_was_here',
  'schema_wrapper_was_here',
  'toy_schema',
];
const tables = Object.fromEntries(
  ['*', ...schemas.map((schema) => `${schema}.*`)].map((key) => [key, 'shadow'] as const),
);

let rewriter: PostgresRewriter;
beforeAll(async () => {
  await loadParser();
  rewriter = createRewriter({ dialect: 'postgres', mode: 'table', database: 'public', tables });
});

/** One row of the table in docs/sql-coverage.md. */
function figures(file: (typeof files)[number]): { row: string; codes: Record<string, number> } {
  const all = postgresCorpus(file);
  const count = { dml: 0, rewrite: 0, pass: 0, refuse: 0, invalid: 0 };
  const codes: Record<string, number> = {};
  for (const { sql, kind } of all) {
    if (kind !== 'dml') continue;
    const result = rewriter.rewrite(sql, { standardConformingStrings: true, serverVersion: 18 });
    if (result.action === 'refuse' && /^SQL_NOT_UNDERSTOOD/.test(result.code) && / at /.test(result.message)) {
      count.invalid += 1;
      continue;
    }
    count.dml += 1;
    count[result.action] += 1;
    if (result.action === 'refuse') codes[result.code] = (codes[result.code] ?? 0) + 1;
  }
  const { dml, rewrite, pass, refuse, invalid } = count;
  return { row: `| ${file} | ${all.length} | ${invalid} | ${dml} | ${rewrite} | ${pass} | ${refuse} |`, codes };
}

describe('corpora', () => {
  it.each(files)('%s: the figures stand in docs/sql-coverage.md', (file) => {
    const page = readFileSync(join(process.cwd(), 'docs/sql-coverage.md'), 'utf8');
    const { row, codes } = figures(file);
    expect(page).toContain(row);
    for (const [code, count] of Object.entries(codes)) {
      expect({ code, stands: new RegExp(`\\| \`${code}\` \\|.*\\b${count}\\b`).test(page) }).toEqual({
        code,
        stands: true,
      });
    }
    // whatever is refused says why
    expect(codes.SQL_NOT_UNDERSTOOD).toBeUndefined();
  });

  it('let no DDL and no privilege through', () => {
    for (const { sql, kind } of files.flatMap(postgresCorpus)) {
      if (kind !== 'ddl' && kind !== 'dcl') continue;
      // DECLARE and its like stand among the DDL of one corpus
      if (/^\s*(?:declare|fetch|move|close)\b/i.test(sql)) continue;
      const result = rewriter.rewrite(sql);
      if (result.action === 'refuse') continue;
      expect({ sql, verb: result.verb }).toMatchObject({ verb: expect.stringMatching(/^(?:set|show)$/) });
    }
  });
});
