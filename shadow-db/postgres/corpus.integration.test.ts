import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { failureOf, type PostgresArena, postgresArena, postgresCorpus } from '../fixtures/postgres.js';
import type { RewriteResult } from '../rewriter.js';
import { createRewriter, loadParser, type PostgresRewriter } from './index.js';

const files = ['orm-pg', 'shardingsphere-pg'] as const;
const plain = { standardConformingStrings: true };
/** Refused for what they mean, not because they were not understood. */
const meant =
  /^SQL_(?:PROCEDURE|FILE|COPY|ADMIN|DDL|FUNCTION|TYPE|SEQUENCE|LOCK_FUNCTION|SET|NAME_IN_STRING|SHADOW_NAME)$/;
/** How many statements are compared at least; the others are wrong about columns on any schema (a missing FROM, GROUP BY, …). */
const compared = { 'orm-pg': 550, 'shardingsphere-pg': 195 };
/** Schemas that the corpora name; every table in them is shadow. */
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
/**
 * How stub tables get the columns that a statement asks for: of which type, and in which of its tables. The first way with which
 * the server accepts the statement is taken. `mixed`: integers where the name looks like a number, else text.
 */
const ways = [
  ...['text', 'integer', 'mixed', 'jsonb', 'timestamptz', 'boolean', 'text[]', 'integer[]', 'double precision'].map(
    (type) => ({ type, into: 'all' as const }),
  ),
  ...['text', 'mixed', 'integer'].flatMap((type) => [
    { type, into: 'first' as const },
    { type, into: 'last' as const },
  ]),
];
type Way = (typeof ways)[number];

interface Truth {
  reads: string[];
  writes: string[];
}

describe('corpora on PostgreSQL', () => {
  let arena: PostgresArena;
  let client: pg.Client;
  let rewriter: PostgresRewriter;

  beforeAll(async () => {
    await loadParser();
    arena = await postgresArena();
    client = arena.client;
    const tables = Object.fromEntries(
      ['*', ...schemas.map((schema) => `${schema}.*`)].map((key) => [key, 'shadow'] as const),
    );
    rewriter = createRewriter({ dialect: 'postgres', mode: 'table', database: 'public', tables });
  });
  afterAll(() => arena.close());

  it.each(files)(
    '%s: finds exactly the tables that the server opens, and only shadow tables are opened instead',
    async (file) => {
      const dml = postgresCorpus(file).filter(({ kind }) => kind === 'dml');
      const tally = { valid: 0, notUnderstood: 0, refused: 0, compared: 0, unsettled: 0 };
      const wrong: unknown[] = [];
      for (const { sql } of dml) {
        const result = rewriter.rewrite(sql, plain);
        if (await isSyntaxError(sql)) continue;
        tally.valid += 1;
        if (result.action === 'refuse') {
          if (meant.test(result.code)) tally.refused += 1;
          else {
            tally.notUnderstood += 1;
            wrong.push({ sql, result });
          }
          continue;
        }
        const opened = await compare(sql, result);
        if (opened === undefined) {
          tally.unsettled += 1;
          continue;
        }
        tally.compared += 1;
        const refs = result.action === 'rewrite' ? result : { reads: [], writes: [] };
        const found = { reads: names(refs.reads, 'real'), writes: names(refs.writes, 'real') };
        const targets = { reads: names(refs.reads, 'target'), writes: names(refs.writes, 'target') };
        if (!same(found, opened.original)) wrong.push({ sql, found, server: opened.original });
        if (!same(targets, opened.redirected)) wrong.push({ sql: result.sql, targets, server: opened.redirected });
      }
      expect(wrong).toEqual([]);
      expect(tally.compared).toBeGreaterThanOrEqual(compared[file]);
      expect(tally.notUnderstood).toBe(0);
    },
  );

  /** The server's grammar only: what comes after it is about tables that are not there. */
  async function isSyntaxError(sql: string): Promise<boolean> {
    await client.query('BEGIN');
    const failure = await failureOf(client, /^\s*(?:copy|call|checkpoint)/i.test(sql) ? sql : `PREPARE p AS ${sql}`);
    await client.query('ROLLBACK');
    return failure?.code === '42601';
  }

  /** Makes stub tables until the server accepts the statement, then asks which relations it opens; the same for the redirected one. */
  async function compare(
    sql: string,
    result: RewriteResult,
  ): Promise<{ original: Truth; redirected: Truth } | undefined> {
    for (const way of ways) {
      const made = new Map<string, Set<string>>();
      if (!(await stub(sql, way, made))) continue;
      const original = await openedBy(sql);
      await drop(made);
      if (result.action === 'refuse') return undefined;
      const twins = new Map<string, Set<string>>();
      const accepted = await stub(result.sql, way, twins);
      const redirected = accepted ? await openedBy(result.sql) : { reads: ['refused by the server'], writes: [] };
      await drop(twins);
      return { original, redirected };
    }
    return undefined;
  }

  async function stub(sql: string, way: Way, made: Map<string, Set<string>>): Promise<boolean> {
    let last = '';
    for (let round = 0; round < 40; round += 1) {
      await client.query('BEGIN');
      const failure = await failureOf(client, `PREPARE p AS ${sql}`);
      await client.query('ROLLBACK');
      await failureOf(client, 'DEALLOCATE p');
      if (failure === undefined) return true;
      if (failure.message === last) break;
      last = failure.message;
      const table = /^relation "(.+)" does not exist$/.exec(failure.message)?.[1];
      const column = /^column (?:"(.+?)"|(?:.+\.)?(\S+))(?: of relation ".+")? does not exist$/.exec(failure.message);
      if (table !== undefined) await makeTable(table, made);
      else if (column !== null) await addColumn((column[1] ?? column[2])!, way, made);
      else if (/more expressions than target columns|is not in select list/.test(failure.message)) {
        last = '';
        await addColumn(`filler_${round}`, { ...way, into: 'all' }, made);
      } else break;
    }
    await drop(made);
    return false;
  }

  async function makeTable(name: string, made: Map<string, Set<string>>): Promise<void> {
    const schema = ['public', ...schemas].find((one) => name.startsWith(`${one}.`));
    if (schema !== undefined) await client.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    const full = schema === undefined ? `public."${name}"` : `"${schema}"."${name.slice(schema.length + 1)}"`;
    made.set(full, new Set());
    await client.query(`CREATE TABLE ${full} ()`);
  }

  async function addColumn(name: string, { type, into }: Way, made: Map<string, Set<string>>): Promise<void> {
    const looksLikeNumber = /id$|count|age$|price|logins|number|position/i.test(name);
    const actual = type === 'mixed' ? (looksLikeNumber ? 'integer' : 'text') : type;
    const all = [...made];
    for (const [table, columns] of into === 'all' ? all : into === 'first' ? all.slice(0, 1) : all.slice(-1)) {
      if (columns.has(name)) continue;
      columns.add(name);
      await failureOf(client, `ALTER TABLE ${table} ADD COLUMN "${name.replaceAll('"', '""')}" ${actual}`);
    }
  }

  async function drop(made: Map<string, Set<string>>): Promise<void> {
    for (const table of made.keys()) await client.query(`DROP TABLE IF EXISTS ${table} CASCADE`);
    made.clear();
  }

  /** Parse analysis locks each relation that a statement names, in the mode that says what it is for. */
  async function openedBy(sql: string): Promise<Truth> {
    await client.query('BEGIN');
    await client.query(`PREPARE p AS ${sql}`);
    const { rows } = await client.query<{ name: string; mode: string }>(
      `SELECT n.nspname || '.' || c.relname AS name, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE l.pid = pg_backend_pid() AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' AND c.relkind = 'r'`,
    );
    await client.query('ROLLBACK');
    await client.query('DEALLOCATE p');
    const of = (modes: string[]): string[] =>
      [...new Set(rows.filter(({ mode }) => modes.includes(mode)).map(({ name }) => name))].sort();
    return { reads: of(['AccessShareLock', 'RowShareLock']), writes: of(['RowExclusiveLock']) };
  }
});

function names(refs: readonly { schema: string; table: string; target: string }[], which: 'real' | 'target'): string[] {
  return refs.map(({ schema, table, target }) => (which === 'real' ? `${schema}.${table}` : target)).sort();
}

function same(one: Truth, other: Truth): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
