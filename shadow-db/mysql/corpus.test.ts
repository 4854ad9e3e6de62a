import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createRewriter } from './rewriter.js';

interface Line {
  sql: string;
  kind: string;
  maria: string;
  tables: string[];
}

const lines = (file: string): Line[] =>
  readFileSync(join(process.cwd(), 'shadow-db/fixtures', file), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);

const all = [...lines('orm-mysql.jsonl'), ...lines('shardingsphere-mysql.jsonl')];
const plain = { sqlMode: { ansiQuotes: false, noBackslashEscapes: false } };
// every table that any statement names; those of other schemas cannot be shadow tables
const tables = Object.fromEntries(
  all.flatMap((line) => line.tables).map((table) => [table, table.includes('.') ? 'real-read' : 'shadow'] as const),
);
const rewriter = createRewriter({ dialect: 'mysql', mode: 'table', database: 'app', tables });

/** Refused by design: they name no table that the parser could see, or one that may not be written. */
const meant = /^SQL_(?:PROCEDURE|FILE|FUNCTION|LOCK_FUNCTION|REAL_WRITE|OTHER_SCHEMA|UNCLASSED_TABLE|SHADOW_NAME)$/;

describe.each(['orm-mysql.jsonl', 'shardingsphere-mysql.jsonl'])('corpus %s', (file) => {
  const dml = lines(file).filter((line) => line.kind === 'dml' && line.maria.startsWith('ok'));

  it('finds the tables that MariaDB asked for, or refuses', () => {
    let notUnderstood = 0;
    for (const { sql, maria, tables: expected } of dml) {
      const result = rewriter.rewrite(sql, plain);
      if (result.action === 'refuse') {
        if (!meant.test(result.code)) notUnderstood += 1;
        continue;
      }
      const refs = result.action === 'pass' ? [] : [...result.reads, ...result.writes];
      const found = new Set(refs.map(({ schema, table }) => (schema === 'app' ? table : `${schema}.${table}`)));
      const missed = expected.filter((table) => !found.has(table));
      expect({ sql, missed }).toEqual({ sql, missed: [] });
      // with these errors MariaDB stopped before it had opened all tables
      if (!/:(?:1235|1273|1221|1582)/.test(maria))
        expect({ sql, found: [...found].sort() }).toEqual({ sql, found: [...new Set(expected)].sort() });
    }
    expect(notUnderstood / dml.length).toBeLessThan(0.01);
  });
});

describe('statements of other kinds', () => {
  it('never lets DDL, privileges or a statement that MariaDB cannot read write to a table', () => {
    for (const { sql, kind } of all) {
      const result = rewriter.rewrite(sql, plain);
      if (kind === 'ddl' || kind === 'dcl') expect({ sql, action: result.action }).toMatchObject({ action: 'refuse' });
    }
  });
});
