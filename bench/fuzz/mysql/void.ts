import { randomBytes } from 'node:crypto';
import { createRewriter, quoteName, type Rewriter } from '@shadowline/shadow-db';
import { type Connection, createConnection } from 'mysql2/promise';
import { suffix } from './sides.js';

/**
 * A schema in which only shadow tables exist. Servers open tables before anything else, so a statement that reaches for a real table fails
 * with 1146 or 1109 and its name, whatever columns it has: no reference can be missed and go unseen.
 */
export class Void {
  readonly rewriter: Rewriter;
  readonly database = `fz_${randomBytes(4).toString('hex')}`;
  private readonly connection: Connection;

  private constructor(connection: Connection, tables: readonly string[]) {
    this.connection = connection;
    const classes = Object.fromEntries(tables.map((name) => [name, 'shadow'] as const));
    this.rewriter = createRewriter({
      dialect: 'mysql',
      mode: 'table',
      database: this.database,
      suffix,
      tables: classes,
      cacheSize: 1,
    });
  }

  static async open(url: string, tables: readonly string[]): Promise<Void> {
    const place = new Void(await createConnection({ uri: url, multipleStatements: true }), tables);
    const { connection, database } = place;
    await connection.query(
      `CREATE DATABASE ${database} CHARACTER SET utf8mb4; USE ${database}; SET max_statement_time = 2`,
    );
    for (const table of tables)
      await connection.query(
        `CREATE TABLE ${quoteName(table + suffix)} (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), n INT) ENGINE=MEMORY`,
      );
    return place;
  }

  /** The name of the real table that the statement reached for, if it did. */
  async attack(sql: string): Promise<{ refused: boolean; errno: number; reached?: string; sql?: string }> {
    const answer = this.rewriter.rewrite(sql, {
      sqlMode: { ansiQuotes: false, noBackslashEscapes: false, ignoreSpace: true },
      server: 'mariadb',
      charset: 'utf8mb4',
    });
    if (answer.action === 'refuse') return { refused: true, errno: 0 };
    try {
      await this.connection.query(answer.sql);
      return { refused: false, errno: 0, sql: answer.sql };
    } catch (error) {
      const { errno = -1, message } = error as Error & { errno?: number };
      const missing = /^Table '(?<name>[^']+(?:'[^']+)*)' doesn't exist/.exec(message)?.groups?.name;
      const reached = missing !== undefined && !missing.toLowerCase().endsWith(suffix) ? missing : undefined;
      return { refused: false, errno, sql: answer.sql, ...(reached !== undefined && { reached }) };
    } finally {
      if (!['select', 'insert', 'replace', 'update', 'delete'].includes(answer.verb)) {
        await this.connection.query('ROLLBACK; UNLOCK TABLES').catch(() => undefined);
        await this.connection.reset();
        await this.connection.query(`USE ${this.database}; SET max_statement_time = 2`);
      }
    }
  }

  async close(): Promise<void> {
    await this.connection.query(`ROLLBACK; UNLOCK TABLES; DROP DATABASE ${this.database}`);
    await this.connection.end();
  }
}
