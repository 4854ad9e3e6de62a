import { createHash } from 'node:crypto';
import { type createRewriter, quoteName, type Rewriter } from '@shadowline/shadow-db';
import type { Connection, FieldPacket } from 'mysql2/promise';
import type { Arena, BatchResult, Difference } from '../dialect.js';
import { database as placeholder } from './query.js';
import { canary, canaryRows, fillSql, type Places, placesOf, suffix, tableSql, viewSql } from './sides.js';
import type { Step } from './step.js';
import type { World } from './world.js';

/** What a side answered, in a form that can be compared. */
interface Answer {
  errno: number;
  message: string;
  columns?: string[];
  rows?: unknown[][];
  /** affectedRows, insertId, info and warnings of a statement without rows. */
  outcome?: string;
}

interface Column {
  table: string;
  name: string;
  type: number | undefined;
}

interface Side {
  connection: Connection;
  /** The schema whose name statements write. */
  database: string;
}

const hexSuffix = Buffer.from(suffix).toString('hex');
const strict = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';

/**
 * Side `original` has real tables only. Side `redirected` has the shadow tables with the same rows, beside real tables with the canary
 * in every row. Statements of a batch run in one transaction on each side, which is rolled back in the end.
 */
export class MySqlArena implements Arena<Step> {
  private readonly world: World;
  private readonly original: Side;
  private readonly redirected: Side;
  private readonly places: Places;
  private readonly rewriter: Rewriter;
  private checksums = '';
  private contents = '';

  constructor(world: World, original: Side, redirected: Side, create: typeof createRewriter) {
    this.world = world;
    this.original = original;
    this.redirected = redirected;
    this.places = placesOf(world, redirected.database);
    const tables = [
      ...world.tables.map((table) => [table.name, table.class] as const),
      ...world.views.map(({ name }) => [name, 'shadow'] as const),
    ];
    this.rewriter = create({
      dialect: 'mysql',
      mode: world.mode,
      database: redirected.database,
      suffix,
      tables: Object.fromEntries(tables),
      // nobody else writes here, and these statements are to be compared too
      readLocks: true,
    });
  }

  async open(): Promise<void> {
    // both to their end: one that still made tables while its schema is dropped would disturb the next one
    const outcomes = await Promise.allSettled([this.openOriginal(), this.openRedirected()]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    this.checksums = await this.checksum();
    this.contents = await this.content();
  }

  private async openOriginal(): Promise<void> {
    const { connection, database } = this.original;
    await send(connection, [`CREATE DATABASE ${database} CHARACTER SET utf8mb4`, `USE ${database}`, ...this.session()]);
    const same = (name: string): string => name;
    for (const table of this.world.tables)
      await send(connection, [...tableSql(table, same, false), ...fillSql(table, table.name)]);
    for (const view of this.world.views) await send(connection, [viewSql(view, same)]);
  }

  private async openRedirected(): Promise<void> {
    const { connection, database } = this.redirected;
    const { world, places } = this;
    await send(connection, [`CREATE DATABASE ${database} CHARACTER SET utf8mb4`, `USE ${database}`, ...this.session()]);
    const same = (name: string): string => name;
    for (const table of world.tables) {
      const real = table.class === 'shadow' ? canaryRows(table) : table;
      await send(connection, [...tableSql(real, same, false), ...fillSql(real, real.name)]);
    }
    for (const view of world.views) await send(connection, [viewSql(view, same)]);
    if (world.mode === 'schema')
      await send(connection, [`CREATE DATABASE ${places.schema} CHARACTER SET utf8mb4`, `USE ${places.schema}`]);
    for (const table of world.tables.filter((each) => each.class === 'shadow')) {
      await send(connection, [
        ...tableSql(table, places.nameOf, world.runColumn),
        ...fillSql(table, places.nameOf(table.name)),
      ]);
    }
    for (const view of world.views) await send(connection, [viewSql(view, places.nameOf)]);
  }

  private session(): string[] {
    const mode = [strict, ...this.world.flags].join(',');
    return [
      `SET sql_mode = '${mode}', timestamp = 1709633045, @shadowline_run = 'fuzz', @v = NULL, @w = NULL, max_statement_time = 10`,
    ];
  }

  async run(steps: readonly Step[]): Promise<BatchResult> {
    const result: BatchResult = { ran: 0, failed: 0, excused: 0, refused: {} };
    // what earlier batches left behind would make a case that no replay shows
    await this.both(['DO LAST_INSERT_ID(0)', 'START TRANSACTION']);
    let commits = false;
    for (const [at, step] of steps.entries()) {
      const difference = await this.step(step, result);
      commits ||= step.commits;
      if (difference !== undefined) {
        result.difference = { ...difference, at };
        break;
      }
    }
    const last = steps.length - 1;
    // a changed real table is the worst that can be found: it hides any other difference
    const leak = await this.leak();
    if (leak !== undefined) result.difference = { at: result.difference?.at ?? last, ...leak };
    else if (result.difference === undefined) {
      const difference = await this.compareState();
      if (difference !== undefined) result.difference = { ...difference, at: last };
    }
    await this.both(['ROLLBACK', 'UNLOCK TABLES', 'SET @v = NULL, @w = NULL']);
    if (commits) await this.refill();
    return result;
  }

  /** The start data again, counters of AUTO_INCREMENT too, in a new transaction. */
  private async restart(): Promise<void> {
    await this.both(['ROLLBACK', 'UNLOCK TABLES']);
    await this.refill();
    await this.both(['DO LAST_INSERT_ID(0)', 'START TRANSACTION']);
  }

  private async both(texts: readonly string[]): Promise<void> {
    await Promise.all([send(this.original.connection, texts), send(this.redirected.connection, texts)]);
  }

  private async step(step: Step, result: BatchResult): Promise<Omit<Difference, 'at'> | undefined> {
    const { world } = this;
    const texts: string[] = [];
    const context = {
      sqlMode: {
        ansiQuotes: world.flags.includes('ANSI_QUOTES'),
        noBackslashEscapes: world.flags.includes('NO_BACKSLASH_ESCAPES'),
        ignoreSpace: false,
      },
      server: 'mariadb',
      charset: 'utf8mb4',
    } as const;
    for (const { text } of step.statements) {
      const answer = this.rewriter.rewrite(text.replaceAll(placeholder, this.redirected.database), context);
      if (answer.action === 'refuse') {
        result.refused[answer.code] = (result.refused[answer.code] ?? 0) + 1;
        return undefined;
      }
      texts.push(answer.sql);
    }
    result.ran += 1;
    let failed = false;
    for (const [index, { text, parameters }] of step.statements.entries()) {
      const redirectedText = texts[index] as string;
      const [original, redirected] = await Promise.all([
        ask(this.original.connection, text.replaceAll(placeholder, this.original.database), parameters, step.via),
        ask(this.redirected.connection, redirectedText, parameters, step.via),
      ]);
      if (isExcused(original.errno, redirected.errno)) {
        result.excused += 1;
        await this.restart();
        break;
      }
      const difference = await this.compare(step, original, redirected);
      if (difference !== undefined)
        return { ...difference, detail: `${difference.detail}\nredirected: ${redirectedText}` };
      failed ||= original.errno !== 0;
    }
    if (failed) result.failed += 1;
    return undefined;
  }

  private async compare(step: Step, original: Answer, redirected: Answer): Promise<Omit<Difference, 'at'> | undefined> {
    const said = (what: (answer: Answer) => unknown): string => {
      return `original: ${JSON.stringify(what(original))?.slice(0, 1500)}\nshadow: ${JSON.stringify(what(redirected))?.slice(0, 1500)}`;
    };
    if (JSON.stringify(redirected.rows ?? '').includes(canary) || redirected.message.includes(canary)) {
      return { kind: 'leak', detail: said(({ rows, message }) => rows ?? message) };
    }
    if (original.errno !== redirected.errno) {
      return { kind: 'error', detail: said(({ errno, message }) => ({ errno, message })) };
    }
    if (step.compare === 'define') return undefined;
    const differs = (what: (answer: Answer) => unknown): boolean =>
      JSON.stringify(what(original)) !== this.normal(JSON.stringify(what(redirected)));
    if (!this.sameColumns(original.columns, redirected.columns))
      return { kind: 'columns', detail: said(({ columns }) => columns) };
    if (step.compare === 'explain') return undefined;
    if (differs(({ rows }) => rows)) return { kind: 'rows', detail: said(({ rows }) => rows) };
    if (differs(({ outcome }) => outcome)) return { kind: 'outcome', detail: said(({ outcome }) => outcome) };
    if (!step.warnings || original.errno !== 0) return undefined;
    const [one, two] = await Promise.all([warnings(this.original.connection), warnings(this.redirected.connection)]);
    if (one !== this.normal(two)) return { kind: 'warnings', detail: `original: ${one}\nshadow: ${two}` };
    return undefined;
  }

  /**
   * An expression without an alias is named by its text, so a redirected name inside it shows in the column's name. That is how far
   * names may differ.
   */
  private sameColumns(original: string[] | undefined, redirected: string[] | undefined): boolean {
    if (original === undefined || redirected === undefined) return original === redirected;
    const { schema } = this.places;
    return (
      original.length === redirected.length &&
      redirected.every((column, index) => {
        const { table, name, type } = JSON.parse(column) as Column;
        const before = JSON.parse(original[index] as string) as Column;
        const isText =
          /[ (.]/.test(name) &&
          (name.includes(suffix) ||
            name.includes(schema) ||
            name.includes(this.redirected.database) ||
            name.length > 150);
        return (
          type === before.type && this.normal(table) === before.table && (isText || this.normal(name) === before.name)
        );
      })
    );
  }

  /** Names of the redirected side as the original side has them. */
  private normal(text: string | undefined): string | undefined {
    if (text === undefined) return undefined;
    let result = text
      .replaceAll(this.places.schema, this.original.database)
      .replaceAll(this.redirected.database, this.original.database);
    // names of foreign keys hold those of their tables as hexadecimal digits
    if (this.world.mode === 'table') result = result.replaceAll(suffix, '').replaceAll(hexSuffix, '');
    return result;
  }

  private checksum(): Promise<string> {
    const names = this.world.tables.map(({ name }) => `${this.redirected.database}.${quoteName(name)}`);
    return this.redirected.connection
      .query(`CHECKSUM TABLE ${names.join(', ')}`)
      .then(([rows]) => JSON.stringify(rows));
  }

  private async leak(): Promise<Omit<Difference, 'at'> | undefined> {
    await send(this.redirected.connection, ['UNLOCK TABLES']);
    const now = await this.checksum();
    if (now === this.checksums) return undefined;
    // MariaDB 11.4.5 gives two checksums for one table that has NULL in a stored generated column
    const content = await this.content();
    return content === this.contents
      ? undefined
      : { kind: 'leak', detail: `real tables changed: ${this.contents} → ${content}` };
  }

  /** Every row of the real tables, as a digest for each table. */
  private async content(): Promise<string> {
    const digests: Record<string, string> = {};
    for (const { name, key } of this.world.tables) {
      const order = key.map(quoteName).join(', ');
      const { rows } = await ask(
        this.redirected.connection,
        `SELECT * FROM ${this.redirected.database}.${quoteName(name)}${order === '' ? '' : ` ORDER BY ${order}`}`,
        [],
        'query',
      );
      digests[name] = createHash('sha256').update(JSON.stringify(rows)).digest('hex').slice(0, 16);
    }
    return JSON.stringify(digests);
  }

  private async compareState(): Promise<Omit<Difference, 'at'> | undefined> {
    for (const table of this.world.tables) {
      if (table.class !== 'shadow') continue;
      const [one, two] = await Promise.all([
        ask(this.original.connection, `SELECT * FROM ${this.original.database}.${quoteName(table.name)}`, [], 'query'),
        ask(
          this.redirected.connection,
          `SELECT * FROM ${this.places.schema}.${quoteName(this.places.nameOf(table.name))}`,
          [],
          'query',
        ),
      ]);
      if (JSON.stringify(one.rows) === JSON.stringify(two.rows)) continue;
      return {
        kind: 'state',
        detail: `table ${table.name}\noriginal: ${JSON.stringify(one.rows)}\nshadow: ${JSON.stringify(two.rows)}`,
      };
    }
    return undefined;
  }

  /** The start data anew, where a statement has committed. */
  private async refill(): Promise<void> {
    const tables = this.world.tables.filter((each) => each.class === 'shadow');
    const fill = async ({ connection }: Side, schema: string, nameOf: (name: string) => string): Promise<void> => {
      await send(connection, ['SET foreign_key_checks = 0']);
      for (const table of tables) {
        const [insert] = fillSql(table, nameOf(table.name));
        await send(connection, [
          `TRUNCATE TABLE ${schema}.${quoteName(nameOf(table.name))}`,
          (insert as string).replace('INTO ', `INTO ${schema}.`),
        ]);
      }
      await send(connection, ['SET foreign_key_checks = 1']);
    };
    await Promise.all([
      fill(this.original, this.original.database, (name) => name),
      fill(this.redirected, this.places.schema, this.places.nameOf),
    ]);
  }

  async close(): Promise<void> {
    const { original, redirected, places } = this;
    // the connection may be left in a transaction or under LOCK TABLES
    await this.both(['ROLLBACK', 'UNLOCK TABLES']);
    await Promise.all([
      send(original.connection, [`DROP DATABASE IF EXISTS ${original.database}`]),
      send(
        redirected.connection,
        [...new Set([places.schema, redirected.database])].map((name) => `DROP DATABASE IF EXISTS ${name}`),
      ),
    ]);
  }
}

/** TINY_BLOB, MEDIUM_BLOB, LONG_BLOB, BLOB in the protocol. */
const blob = 252;
const longTexts = new Set([249, 250, 251, blob]);

/** Conversions that fail or not, as the plan evaluates them or not; the hidden column makes rows longer, and so plans differ. */
const conversions = new Set([1292, 1365, 1366, 1411, 1690, 3140, 4038]);

/**
 * 1093: the alias lets an INSERT read its own target, which the server refuses without one. 1100: LOCK TABLES locks the aliased and the bare shadow,
 * so that a statement may read the table that it writes.
 */
function isExcused(original: number, redirected: number): boolean {
  if (original === redirected) return false;
  return (
    original === 1093 ||
    (original === 1100 && redirected === 0) ||
    ((original === 0 || redirected === 0) && conversions.has(original + redirected))
  );
}

async function send(connection: Connection, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    await connection.query(text).catch((error: Error) => {
      throw new Error(`${error.message} in: ${text}`, { cause: error });
    });
  }
}

async function ask(
  connection: Connection,
  text: string,
  parameters: readonly unknown[],
  via: 'query' | 'execute',
): Promise<Answer> {
  try {
    if (via === 'query')
      return answerOf(...(await connection.query<any>({ sql: text, rowsAsArray: true, values: [...parameters] })));
    return answerOf(
      ...(await connection.execute<any>({ sql: text, rowsAsArray: true, values: [...parameters] as never })),
    );
  } catch (error) {
    const { errno, message } = error as Error & { errno?: number };
    // a fault of the driver or a lost connection is no answer
    if (errno === undefined || errno < 0) throw new Error(`${message} in: ${text}`, { cause: error });
    return { errno, message };
  } finally {
    // a statement that outlives its schema would be executed in the next one; one that failed is prepared as well
    if (via === 'execute') connection.unprepare({ sql: text, rowsAsArray: true } as never);
  }
}

function answerOf(rows: any, fields: FieldPacket[] | undefined): Answer {
  if (Array.isArray(rows)) {
    const columns = (fields ?? []).map(({ table, name, type }) =>
      // which kind of long text an expression has is a matter of the plan (a temporary table or none)
      JSON.stringify({ table, name, type: longTexts.has(type ?? 0) ? blob : type } satisfies Column),
    );
    const plain = (rows as unknown[][]).map((row) =>
      row.map((value) => (Buffer.isBuffer(value) ? `0x${value.toString('hex')}` : value)),
    );
    return { errno: 0, message: '', columns, rows: sorted(plain) };
  }
  const { affectedRows, insertId, info, warningStatus } = rows;
  return { errno: 0, message: '', outcome: JSON.stringify({ affectedRows, insertId, info, warningStatus }) };
}

/** Rows in an order of their own: without a total ORDER BY the server owes none. */
function sorted(rows: unknown[][]): unknown[][] {
  return rows
    .map((row) => [JSON.stringify(row), row] as const)
    .sort(([one], [two]) => (one < two ? -1 : one > two ? 1 : 0))
    .map(([, row]) => row);
}

async function warnings(connection: Connection): Promise<string> {
  const [rows] = await connection.query<any>('SHOW WARNINGS');
  // how often a value was converted is a matter of the plan
  return JSON.stringify(rows.filter(({ Code }: { Code: number }) => !conversions.has(Number(Code))));
}
