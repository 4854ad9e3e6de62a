import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { SqlRefusalCode } from '../codes.js';
import { createRewriter, type RewriteContext } from './rewriter.js';

interface Line {
  sql: string;
  kind: string;
  /** What MariaDB's PREPARE said: `ok`, `ok:<errno>` (parsed, then another error) or an error of the parser. */
  maria: string;
  /** The tables that MariaDB asked for. */
  tables: string[];
}

const corpora = ['orm-mysql', 'shardingsphere-mysql'] as const;
const linesOf = (corpus: string): Line[] =>
  readFileSync(join(process.cwd(), 'shadow-db/fixtures', `${corpus}.jsonl`), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
const all = corpora.flatMap(linesOf);
const context: RewriteContext = {
  sqlMode: { ansiQuotes: false, noBackslashEscapes: false, ignoreSpace: true, pipesAsConcat: false, oracle: false },
  server: 'mariadb',
  charset: 'utf8mb4',
};
const tables = Object.fromEntries(all.flatMap((line) => line.tables).map((table) => [table, 'shadow'] as const));
const rewriter = createRewriter({ dialect: 'mysql', mode: 'table', database: 'app', tables });

/** With these errors MariaDB stopped before it had opened all tables, so its list is short. */
const stoppedEarly = /:(?:1235|1273|1221|1582)$/;
/** Refused because what they do is not allowed, not because they were not understood; with the reason that the page gives. */
const meant: Partial<Record<SqlRefusalCode, string>> = {
  SQL_PROCEDURE: 'CALL, DO, HANDLER: they reach tables that cannot be seen from outside',
  SQL_FILE: 'LOAD DATA, LOAD XML, INTO OUTFILE: files of the server',
  SQL_FUNCTION: 'stored functions, and functions that MariaDB does not have built in (error 1305 there)',
  SQL_LOCK_FUNCTION: 'GET_LOCK and its kin: shared with real traffic',
  SQL_OTHER_SCHEMA: 'tables of performance_schema',
};
const notUnderstood = 'not understood';

interface Figures {
  statements: number;
  dml: number;
  redirected: number;
  passed: number;
  wrong: { sql: string; found: string[]; expected: string[] }[];
  refused: Map<SqlRefusalCode, number>;
  understood: number;
}

function measure(corpus: string): Figures {
  const lines = linesOf(corpus);
  const dml = lines.filter((line) => line.kind === 'dml' && line.maria.startsWith('ok'));
  const figures: Figures = {
    statements: lines.length,
    dml: dml.length,
    redirected: 0,
    passed: 0,
    wrong: [],
    refused: new Map(),
    understood: 0,
  };
  for (const { sql, maria, tables: expected } of dml) {
    const result = rewriter.rewrite(sql, context);
    if (result.action === 'refuse') {
      figures.refused.set(result.code, (figures.refused.get(result.code) ?? 0) + 1);
      if (result.code in meant) figures.understood += 1;
      continue;
    }
    figures.understood += 1;
    figures[result.action === 'pass' ? 'passed' : 'redirected'] += 1;
    const refs = result.action === 'pass' ? [] : [...result.reads, ...result.writes];
    const found = [...new Set(refs.map(({ schema, table }) => (schema === 'app' ? table : `${schema}.${table}`)))];
    const wanted = [...new Set(expected)];
    const missed = wanted.some((table) => !found.includes(table));
    const extra = found.some((table) => !wanted.includes(table)) && !stoppedEarly.test(maria);
    if (missed || extra) figures.wrong.push({ sql, found, expected });
  }
  return figures;
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(2)} %`;

function page(figures: Map<string, Figures>): string {
  const rows = [...figures].map(
    ([corpus, one]) =>
      `| ${corpus} | ${one.statements} | ${one.dml} | ${one.redirected} | ${one.passed} | ${one.dml - one.redirected - one.passed} | ${percent(one.redirected + one.passed, one.dml)} | ${percent(one.understood, one.dml)} | ${one.wrong.length} |`,
  );
  const codes = [...new Set([...figures.values()].flatMap(({ refused }) => [...refused.keys()]))].sort();
  const refusals = codes.map(
    (code) =>
      `| \`${code}\` | ${[...figures.values()].map(({ refused }) => refused.get(code) ?? 0).join(' | ')} | ${meant[code] ?? notUnderstood} |`,
  );
  return `# What the SQL rewriter understands

Two corpora of real statements stand in \`shadow-db/fixtures\`: what knex and kysely send (\`orm-mysql\`), and what the test suites of a
sharding proxy hold (\`shardingsphere-mysql\`, chosen for odd grammar). Each statement was given to MariaDB: its verdict and the tables
that it asked for stand beside the text. The figures are for the DML that MariaDB takes. A statement is *wrong* when the set of tables
that the rewriter reports is not the set that MariaDB asked for. *Understood* counts those that are let through and those that are
refused on purpose; *let through* counts the first kind alone. This page is checked by \`shadow-db/mysql/corpus.test.ts\`, which also
writes it (\`UPDATE_DOCS=1\`).

## MySQL and MariaDB

| corpus | statements | DML | redirected | without tables | refused | let through | understood | wrong |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
${rows.join('\n')}

| refused with | ${[...figures.keys()].join(' | ')} | what |
|---|${[...figures].map(() => '--:').join('|')}|---|
${refusals.join('\n')}

Four statements end with an error before MariaDB opens all of their tables (1235, 1273, 1221, 1582): there the rewriter may report more.
The same corpora run on a real server in \`rewriter.integration.test.ts\`: the rewritten statement prepares to the same outcome as the
original.
`;
}

describe('corpora', () => {
  const figures = new Map(corpora.map((corpus) => [corpus as string, measure(corpus)]));

  it.each(corpora)('%s: finds exactly the tables that MariaDB asked for, and understands 99.5 %', (corpus) => {
    const { wrong, understood, dml } = figures.get(corpus) as Figures;
    expect(wrong).toEqual([]);
    expect(understood / dml).toBeGreaterThanOrEqual(0.995);
  });

  it('stand in docs/sql-coverage.md', () => {
    const path = join(process.cwd(), 'docs/sql-coverage.md');
    if (process.env.UPDATE_DOCS) writeFileSync(path, page(figures));
    // other dialects may add their part below
    expect(readFileSync(path, 'utf8').startsWith(page(figures))).toBe(true);
  });
});

describe('statements of other kinds', () => {
  it('never lets DDL, privileges or a statement that MariaDB cannot read write to a table', () => {
    for (const { sql, kind } of all) {
      const result = rewriter.rewrite(sql, context);
      if (kind === 'ddl' || kind === 'dcl') expect({ sql, action: result.action }).toMatchObject({ action: 'refuse' });
    }
  });
});
