import { randomBytes } from 'node:crypto';
import {
  createRewriter,
  quoteName,
  type RewriteContext,
  type Rewriter,
  type SqlRefusalCode,
} from '@shadowline/shadow-db';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';
import { canary, suffix } from './sides.js';

/** A number in every row of the real tables; with the canary text it must never come back. */
export const canaryNumber = 770_077;

const shadowTables = ['orders', 'items', 'people', 'ss', 's', 'i', 'k', 'strasse', 'select', 'my table'];

export interface AttackOptions {
  /** sql_mode flags of the session, besides the strict one. */
  flags?: readonly string[];
  /** The rewriter knows nothing of the session. */
  untold?: boolean;
  via?: 'query' | 'execute';
}

export type Attack =
  | { action: 'refuse'; code: SqlRefusalCode }
  | { action: 'ran'; sql: string; errno: number; message: string; leak?: string };

/**
 * A database to be attacked: real tables with the canary beside shadow tables, stored functions that read and write real tables, a view, a
 * sequence, a procedure, another schema. Statements run with an account that may do anything here, and with several statements allowed.
 */
export class Prey {
  readonly database: string;
  readonly mode: 'table' | 'schema';
  readonly rewriter: Rewriter;
  private readonly url: string;
  private readonly root: Connection;
  private readonly connections = new Map<string, Promise<Connection>>();
  private before = '';

  private constructor(url: string, mode: 'table' | 'schema', root: Connection) {
    this.url = url;
    this.mode = mode;
    this.root = root;
    this.database = `fz_${randomBytes(4).toString('hex')}`;
    const tables = {
      ...Object.fromEntries(shadowTables.map((name) => [name, 'shadow'] as const)),
      branches: 'real-read',
      secrets: 'refuse',
    } as const;
    const { database } = this;
    this.rewriter = createRewriter({ dialect: 'mysql', mode, database, suffix, tables, readLocks: true, cacheSize: 1 });
  }

  /** `functions`: stored functions of these names are made, which give back a real row. */
  static async open(url: string, mode: 'table' | 'schema', functions: readonly string[] = []): Promise<Prey> {
    const prey = new Prey(url, mode, await createConnection({ uri: url, multipleStatements: true }));
    try {
      await prey.make(functions);
      prey.before = await prey.checksum();
      return prey;
    } catch (error) {
      await prey.close();
      throw error;
    }
  }

  private get shadowSchema(): string {
    return this.mode === 'table' ? this.database : `${this.database}${suffix}`;
  }

  private get schemas(): string[] {
    return [...new Set([this.database, this.shadowSchema, `${this.database}_other`])];
  }

  private async make(functions: readonly string[]): Promise<void> {
    const { database, shadowSchema } = this;
    for (const schema of this.schemas) await this.root.query(`CREATE DATABASE ${schema} CHARACTER SET utf8mb4`);
    const text = (table: string): string => `${canary} ${table}`;
    for (const table of shadowTables) {
      await this.table(database, table, text(table), canaryNumber);
      await this.table(shadowSchema, this.mode === 'table' ? `${table}${suffix}` : table, 'shadow', 1);
    }
    await this.table(database, 'branches', 'branch', 2);
    for (const table of ['secrets', 'ledger']) await this.table(database, table, text(table), canaryNumber);
    for (const table of ['orders', 'ledger']) await this.table(`${database}_other`, table, text(table), canaryNumber);
    for (const schema of new Set([database, shadowSchema])) await this.programs(schema, functions);
  }

  private async table(schema: string, name: string, text: string, number: number): Promise<void> {
    const table = `${schema}.${quoteName(name)}`;
    await this.root.query(
      `CREATE TABLE ${table} (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60), n INT, KEY (n))`,
    );
    await this.root.query(`INSERT INTO ${table} (name, n) VALUES (?, ?), (?, ?)`, [text, number, text, number]);
  }

  private async programs(schema: string, functions: readonly string[]): Promise<void> {
    const real = `${this.database}.orders`;
    const reads = `RETURN (SELECT MAX(name) FROM ${real})`;
    for (const name of ['f_read', ...functions]) {
      await this.root.query(
        `CREATE FUNCTION ${schema}.${quoteName(name)}(x INT) RETURNS VARCHAR(60) READS SQL DATA ${reads}`,
      );
    }
    await this.root.query(
      `CREATE FUNCTION ${schema}.f_write(x INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO ${real} (name) VALUES ('x'); RETURN 1; END`,
    );
    await this.root.query(`CREATE PROCEDURE ${schema}.p_write() BEGIN DELETE FROM ${real}; END`);
    await this.root.query(`CREATE VIEW ${schema}.recent AS SELECT * FROM ${real}`);
    await this.root.query(`CREATE SEQUENCE ${schema}.seq`);
  }

  /** The real tables of both schemas, and where the sequence is. */
  private async checksum(): Promise<string> {
    const real = [...shadowTables, 'branches', 'secrets', 'ledger'].map(
      (name) => `${this.database}.${quoteName(name)}`,
    );
    const tables = [...real, `${this.database}_other.orders`, `${this.database}_other.ledger`].join(', ');
    const [sums] = await this.root.query(
      `CHECKSUM TABLE ${tables}; SELECT next_not_cached_value FROM ${this.database}.seq`,
    );
    return JSON.stringify(sums);
  }

  /** A connection of the unrestricted account, for one set of options; further attacks with the same options use it again. */
  private async connection(options: ConnectionOptions): Promise<Connection> {
    const key = JSON.stringify(options);
    const open =
      this.connections.get(key) ??
      createConnection({ uri: this.url, multipleStatements: true, database: this.shadowSchema, ...options });
    this.connections.set(key, open);
    return open;
  }

  /** Redirects and, unless it was refused, runs the statement. Whatever it did to the session is undone. */
  async attack(sql: string, options: AttackOptions = {}, connect: ConnectionOptions = {}): Promise<Attack> {
    const { flags = [], untold = false, via = 'query' } = options;
    const context = untold ? {} : contextOf(flags, connect);
    const answer = this.rewriter.rewrite(sql, context);
    if (answer.action === 'refuse') return { action: 'refuse', code: answer.code };
    const connection = await this.connection(connect);
    await connection.query(
      `SET sql_mode = '${['STRICT_TRANS_TABLES', ...flags].join(',')}', max_statement_time = 2; START TRANSACTION`,
    );
    const result: Attack = { action: 'ran', sql: answer.sql, errno: 0, message: '' };
    try {
      const [rows] = via === 'query' ? await connection.query(answer.sql) : await connection.execute(answer.sql);
      if (shows(rows)) result.leak = `a real row came back: ${JSON.stringify(rows).slice(0, 300)}`;
    } catch (error) {
      Object.assign(result, { errno: (error as { errno?: number }).errno ?? -1, message: (error as Error).message });
      if (shows(result.message)) result.leak = `a real row stands in the error: ${result.message}`;
    }
    // what is locked or uncommitted would hide from the other connection
    await connection.query('COMMIT; UNLOCK TABLES');
    // what a SELECT may have changed is asked for by `changed`, later: it costs as much as the attack
    if (answer.verb !== 'select') {
      const leak = result.leak ?? (await this.changed());
      if (leak !== undefined) result.leak = leak;
    }
    if (!['select', 'insert', 'replace', 'update', 'delete'].includes(answer.verb)) {
      await connection.reset();
      await connection.query(`USE ${this.shadowSchema}`);
    }
    return result;
  }

  /** What is other in the real tables than when this was asked before; undefined when nothing is. */
  async changed(): Promise<string | undefined> {
    const { before } = this;
    const now = await this.checksum();
    this.before = now;
    return now === before ? undefined : `a real table changed: ${before} → ${now}`;
  }

  async close(): Promise<void> {
    for (const connection of this.connections.values())
      await connection.then((open) => open.end()).catch(() => undefined);
    for (const schema of this.schemas) await this.root.query(`DROP DATABASE IF EXISTS ${schema}`);
    await this.root.end();
  }
}

/** What the agent can tell of such a session. */
function contextOf(flags: readonly string[], connect: ConnectionOptions): RewriteContext {
  const sqlMode = {
    ansiQuotes: flags.includes('ANSI_QUOTES') || flags.includes('ORACLE'),
    noBackslashEscapes: flags.includes('NO_BACKSLASH_ESCAPES'),
    ignoreSpace: flags.includes('IGNORE_SPACE') || flags.includes('ORACLE'),
    oracle: flags.includes('ORACLE'),
  };
  return { sqlMode, server: 'mariadb', charset: connect.charset?.split('_')[0]?.toLowerCase() ?? 'utf8mb4' };
}

/** True when a canary is anywhere in what came back. */
function shows(value: unknown): boolean {
  if (typeof value === 'string') return value.includes(canary) || value.includes(String(canaryNumber));
  if (typeof value === 'number') return value === canaryNumber;
  if (Buffer.isBuffer(value)) return value.includes(canary);
  if (Array.isArray(value)) return value.some(shows);
  return typeof value === 'object' && value !== null && Object.values(value).some(shows);
}
