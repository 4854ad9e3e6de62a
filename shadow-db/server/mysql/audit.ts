import { quoteName } from '../../names.js';
import type { AuditMark, BeginOptions, DatabaseAudit, FinishOptions, ShadowRows, Suspect } from '../audit/audit.js';
import type { AuditDialect, AuditReads, Question, RealTable } from '../audit/dialect.js';
import { begin, finish, watch } from '../audit/run.js';
import type { Db } from '../db.js';
import { MysqlReads } from './audit-reads.js';
import { growingKey, indexOn, type Key, rowKey } from './key.js';
import type { TableModel } from './model.js';
import type { ShadowDbOptions } from './options.js';
import { isOurs, markedFirst, reachedId } from './range.js';
import { innodbPlace } from './referrers.js';
import { readSchemas, shadowRows, shadowTables } from './rows.js';
import { readServer } from './server.js';

/** See `begin`. */
export function beginAudit(db: Db, options: ShadowDbOptions, asked: BeginOptions = {}): Promise<AuditMark> {
  return begin(new MysqlAudit(db, options), asked);
}

/** See `finish`. @throws RangeError for a canary, an id column or a limit that cannot be */
export function finishAudit(
  db: Db,
  options: ShadowDbOptions,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<DatabaseAudit> {
  return finish(new MysqlAudit(db, options), mark, asked);
}

/** See `watch`. */
export function watchReal(
  db: Db,
  options: ShadowDbOptions,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<() => Promise<Suspect[]>> {
  return watch(new MysqlAudit(db, options), mark, asked);
}

const textTypes =
  /^(?:char|varchar|tinytext|text|mediumtext|longtext|json|binary|varbinary|tinyblob|blob|mediumblob|longblob)\b/i;

class MysqlAudit implements AuditDialect<Key> {
  readonly database: string;
  readonly growing = 'indexed AUTO_INCREMENT or TIMESTAMP column';
  readonly #db: Db;
  readonly #options: ShadowDbOptions;

  constructor(db: Db, options: ShadowDbOptions) {
    this.database = options.database;
    this.#db = new UtcDb(db);
    this.#options = options;
  }

  async clock(marginSec: number): Promise<{ utc: string; since: string }> {
    const [row] = await this.#db.query(
      `SELECT CAST(UTC_TIMESTAMP(3) AS CHAR) AS utc, CAST(NOW(6) - INTERVAL ${marginSec} SECOND AS CHAR) AS since`,
    );
    return { utc: `${String(row?.utc).replace(' ', 'T')}Z`, since: String(row?.since) };
  }

  async tables(): Promise<RealTable<Key>[]> {
    const schemas = await readSchemas(this.#db, this.#options);
    const { names } = schemas;
    const { mapping } = names;
    const counters = await this.#counters();
    const twins = new Map(shadowTables(schemas).map((one) => [one.table, one.model]));
    return [...schemas.real].flatMap(([database, { tables }]) =>
      tables
        .filter((table) => !isOurs(table, database, names))
        .map((table): RealTable<Key> => {
          const name = `${database}.${table.name}`;
          const reserved = reservedIn(twins.get(name));
          const growing = growingKey(table);
          const from = `${quoteName(database)}.${quoteName(table.name)}`;
          return {
            name,
            from,
            tableClass: mapping.classOf(database, table.name) ?? 'unclassed',
            primaryKey: table.primaryKey,
            reserved,
            idsReached: reserved.some(({ first }) => reaches(table, first)),
            growing,
            highest: () => this.#highest(from, growing?.column ?? ''),
            reached: table.autoIncrement ? String(reachedId(table)) : null,
            ...(counters.has(name) && { counter: counters.get(name)! }),
            rowKey: rowKey(table),
            asksId: (reason, column, condition) => ({
              reason,
              columns: [column],
              sql: `${quoteName(column)} ${condition}`,
              index: indexOn(table, column),
            }),
            asksText: (text) => asksText(table, text),
          };
        }),
    );
  }

  async #highest(from: string, column: string): Promise<string | null> {
    const [row] = await this.#db.query(`SELECT CAST(MAX(${quoteName(column)}) AS CHAR) AS highest FROM ${from}`);
    const highest = row?.highest ?? null;
    return highest === null ? null : String(highest);
  }

  /** InnoDB's number of each table, by `schema.table`; empty without the right PROCESS. */
  async #counters(): Promise<Map<string, string>> {
    try {
      const rows = await this.#db.query(
        'SELECT NAME AS name, TABLE_ID AS id FROM information_schema.INNODB_SYS_TABLES',
      );
      return new Map(rows.map(({ name, id }) => [innodbPlace(name), String(id)]));
    } catch {
      // the height of the counter is what is left to go by
      return new Map();
    }
  }

  shadowRows(): Promise<ShadowRows[]> {
    return shadowRows(this.#db, this.#options);
  }

  reads(): AuditReads<Key> {
    return new MysqlReads(this.#db);
  }
}

/**
 * A TIMESTAMP travels as text, which each session reads by its own time zone, and of which one hour comes twice where summer time ends: so all of them
 * read it as UTC. MySQL cannot set a variable for one statement alone: there the sessions must have one time zone.
 */
class UtcDb implements Db {
  readonly #db: Db;
  #prefix: string | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  async query(sql: string, params?: unknown[]): Promise<Record<string, unknown>[]> {
    this.#prefix ??=
      (await readServer(this.#db)).flavour === 'mariadb' ? "SET STATEMENT time_zone = '+00:00' FOR " : '';
    return this.#db.query(/^(?:SELECT|EXPLAIN)\b/.test(sql) ? this.#prefix + sql : sql, params);
  }
}

function reservedIn(shadow: TableModel | undefined): RealTable['reserved'] {
  const first = shadow && markedFirst(shadow);
  return shadow?.autoIncrement && first ? [{ column: shadow.autoIncrement.column, first }] : [];
}

/** A shadow id in a real table, once written, moves its AUTO_INCREMENT into the shadow range; what real users add from then on lies there too. */
function reaches({ autoIncrement: counter }: TableModel, first: string): boolean {
  if (counter === undefined) return false;
  return BigInt(counter.next) > BigInt(first) || BigInt(counter.highest) >= BigInt(first);
}

function asksText(table: TableModel, text: string): Question | undefined {
  const columns = table.columns.filter(({ type }) => textTypes.test(type)).map(({ name }) => name);
  if (columns.length === 0) return undefined;
  const sql = `(${columns.map((name) => `${quoteName(name)} LIKE '%${text}%'`).join(' OR ')})`;
  return { reason: 'canary', columns, sql, index: undefined };
}
