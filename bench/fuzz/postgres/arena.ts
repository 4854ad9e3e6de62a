import { createHash } from 'node:crypto';
import type { createRewriter, PostgresRewriter } from '@shadowline/shadow-db/postgres';
import type pg from 'pg';
import type { Arena, BatchResult, Difference } from '../dialect.js';
import { canary, canaryRows, type NameOf, real, shadowOf, suffix, tableSql, viewSql } from './sides.js';
import type { Step } from './step.js';
import type { World } from './world.js';

/** What a side answered, in a form that can be compared. */
interface Answer {
  /** SQLSTATE, or '' where there was no error. */
  code: string;
  message: string;
  columns?: string[];
  rows?: string[];
  /** Command and count of rows. */
  outcome?: string;
}

/**
 * Side `original` has real tables only. Side `redirected` has the shadow tables with the same rows, beside real tables with the canary
 * in every row. Each side is a database of its own. The statements of a batch run in one transaction, each in a savepoint; it is
 * rolled back in the end.
 */
export class PostgresArena implements Arena<Step> {
  private readonly world: World;
  private readonly original: pg.Client;
  private readonly redirected: pg.Client;
  private readonly shadow: NameOf;
  private readonly rewriter: PostgresRewriter;
  private content = '';
  private serverVersion = 0;

  constructor(world: World, original: pg.Client, redirected: pg.Client, create: typeof createRewriter) {
    this.world = world;
    this.original = original;
    this.redirected = redirected;
    this.shadow = shadowOf(world);
    const tables = [
      ...world.tables.map((table) => [`${table.schema}.${table.name}`, table.class] as const),
      ...world.views.map(({ name }) => [`public.${name}`, 'shadow'] as const),
    ];
    this.rewriter = create({
      dialect: 'postgres',
      mode: world.mode,
      database: 'public',
      suffix,
      truncate: true,
      tables: Object.fromEntries(tables),
    });
  }

  async open(): Promise<void> {
    const { world, shadow } = this;
    const { rows } = await this.redirected.query('SHOW server_version_num');
    this.serverVersion = Math.floor(Number(rows[0].server_version_num) / 10_000);
    const fresh = ['public', 'crm', `public${suffix}`, `crm${suffix}`].flatMap((schema) => [
      `DROP SCHEMA IF EXISTS ${schema} CASCADE`,
      `CREATE SCHEMA ${schema}`,
    ]);
    const session = (path: string): string[] => [
      `SET search_path = ${path}`,
      `SET standard_conforming_strings = ${world.conforming ? 'on' : 'off'}`,
      'SET statement_timeout = 10000',
      // a count of rows decides how much is read before a LIMIT; JIT only costs
      'SET jit = off',
      'SET max_parallel_workers_per_gather = 0',
      'SET synchronous_commit = off',
      'SET escape_string_warning = off',
      'SET client_min_messages = error',
    ];
    const originals = [
      ...world.tables.flatMap((table) => tableSql(table, real, real)),
      ...world.views.map((view) => viewSql(view, real)),
    ];
    const reals = world.tables.flatMap((table) =>
      tableSql(table.class === 'shadow' ? canaryRows(table) : table, real, real),
    );
    const shadows = world.tables
      .filter((table) => table.class === 'shadow')
      .flatMap((table) => tableSql(table, shadow, shadow));
    await Promise.all([
      send(this.original, [...fresh, ...session('public'), ...originals]),
      send(this.redirected, [
        ...fresh,
        ...session(world.mode === 'schema' ? `public${suffix}` : 'public'),
        ...reals,
        ...world.views.map((view) => viewSql(view, real)),
        ...shadows,
        ...world.views.map((view) => viewSql(view, shadow)),
      ]),
    ]);
    this.content = await this.realContent();
  }

  async run(steps: readonly Step[]): Promise<BatchResult> {
    const result: BatchResult = { ran: 0, failed: 0, excused: 0, refused: {} };
    await this.both(['BEGIN']);
    for (const [at, step] of steps.entries()) {
      const difference = await this.step(step, result);
      if (difference === undefined) continue;
      result.difference = { ...difference, at };
      break;
    }
    const last = Math.max(0, steps.length - 1);
    // a changed real table is the worst that can be found: it hides any other difference
    const now = await this.realContent();
    if (now !== this.content) {
      result.difference = { at: result.difference?.at ?? last, kind: 'leak', detail: 'real tables changed' };
    } else if (result.difference === undefined) {
      const difference = await this.compareState();
      if (difference !== undefined) result.difference = { ...difference, at: last };
    }
    await this.both(['ROLLBACK']);
    return result;
  }

  private async both(texts: readonly string[]): Promise<void> {
    await Promise.all([send(this.original, texts), send(this.redirected, texts)]);
  }

  private async step(step: Step, result: BatchResult): Promise<Omit<Difference, 'at'> | undefined> {
    const answer = this.rewriter.rewrite(step.text, {
      standardConformingStrings: this.world.conforming,
      serverVersion: this.serverVersion,
      clientEncoding: 'UTF8',
      serverEncoding: 'UTF8',
    });
    if (answer.action === 'refuse') {
      result.refused[answer.code] = (result.refused[answer.code] ?? 0) + 1;
      return undefined;
    }
    result.ran += 1;
    const [original, redirected] = await Promise.all([
      ask(this.original, step.text, step.parameters),
      ask(this.redirected, answer.sql, step.parameters),
    ]);
    if (original.code !== '') result.failed += 1;
    const difference = this.compare(step, original, redirected);
    return difference && { ...difference, detail: `${difference.detail}\nredirected: ${answer.sql}` };
  }

  private compare(step: Step, original: Answer, redirected: Answer): Omit<Difference, 'at'> | undefined {
    const said = (what: (answer: Answer) => unknown): string =>
      `original: ${JSON.stringify(what(original))?.slice(0, 1500)}\nshadow: ${JSON.stringify(what(redirected))?.slice(0, 1500)}`;
    if (JSON.stringify(redirected.rows ?? '').includes(canary) || redirected.message.includes(canary)) {
      return { kind: 'leak', detail: said(({ rows, message }) => rows ?? message) };
    }
    if (original.code !== redirected.code) {
      return { kind: 'error', detail: said(({ code, message }) => ({ code, message })) };
    }
    if (step.plan) return undefined;
    for (const [kind, of] of [
      ['columns', (one: Answer) => one.columns],
      ['rows', (one: Answer) => one.rows],
      ['outcome', (one: Answer) => one.outcome],
    ] as const) {
      if (JSON.stringify(of(original)) !== JSON.stringify(of(redirected))) return { kind, detail: said(of) };
    }
    return undefined;
  }

  /** Of the real tables beside the shadow ones, as this transaction sees them. */
  private async realContent(): Promise<string> {
    const parts = this.world.tables.map((table) => contentSql(real(table.schema, table.name)));
    const { rows } = await this.redirected.query({ text: parts.join(' UNION ALL '), rowMode: 'array' });
    return createHash('sha256').update(JSON.stringify(rows)).digest('hex');
  }

  private async compareState(): Promise<Omit<Difference, 'at'> | undefined> {
    const shadows = this.world.tables.filter((table) => table.class === 'shadow');
    const of = async (client: pg.Client, nameOf: NameOf): Promise<string[]> => {
      const parts = shadows.map((table) => contentSql(nameOf(table.schema, table.name)));
      const { rows } = await client.query<string[]>({ text: parts.join(' UNION ALL '), rowMode: 'array' });
      return rows.map(([text]) => text ?? '');
    };
    const [one, two] = await Promise.all([of(this.original, real), of(this.redirected, this.shadow)]);
    const at = one.findIndex((text, index) => text !== two[index]);
    if (at < 0) return undefined;
    return { kind: 'state', detail: `table ${shadows[at]?.name}\noriginal: ${one[at]}\nshadow: ${two[at]}` };
  }

  async close(): Promise<void> {
    await this.both(['ROLLBACK']);
  }
}

const contentSql = (name: string): string =>
  `SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM ${name} t`;

async function send(client: pg.Client, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    await client.query(text).catch((error: Error) => {
      throw new Error(`${error.message} in: ${text}`, { cause: error });
    });
  }
}

async function ask(client: pg.Client, text: string, parameters: readonly (string | null)[]): Promise<Answer> {
  // queued at once: one way there and back
  const before = client.query('SAVEPOINT step');
  const query = client.query<unknown[]>({ text, values: [...parameters], rowMode: 'array' });
  const settled = query.then(
    (result) => answerOf(result),
    (error: Error & { code?: string }) => {
      // a lost connection is no answer
      if (error.code === undefined || error.code.length !== 5)
        throw new Error(`${error.message} in: ${text}`, { cause: error });
      return { code: error.code, message: error.message };
    },
  );
  await before;
  const answer = await settled;
  await client.query(answer.code === '' ? 'RELEASE SAVEPOINT step' : 'ROLLBACK TO SAVEPOINT step');
  return answer;
}

function answerOf({ rows, fields, command, rowCount }: pg.QueryArrayResult<unknown[]>): Answer {
  const columns = fields.map(({ name, dataTypeID }) => `${name} ${dataTypeID > 16_000 ? 'row' : dataTypeID}`);
  return {
    code: '',
    message: '',
    columns,
    rows: rows.map((row) => JSON.stringify(row)).sort(),
    outcome: `${command} ${rowCount}`,
  };
}
