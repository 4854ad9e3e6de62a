import { type Db, numberOf, quoteText, ShadowDbError, textOf } from '../db.js';

/** What differs between servers, as far as it matters here. */
export interface ServerFacts {
  flavour: 'mariadb' | 'mysql';
  /** As the server says it. */
  version: string;
  /** lower_case_table_names is not 0: names are compared without case. */
  ignoreCase: boolean;
  /** Each id of a table is so much higher than the last (clusters). */
  idIncrement: number;
}

/** Oldest versions whose DDL is atomic: a table is there with its mark, or not at all. */
const oldest = { mariadb: [10, 6], mysql: [8, 0] } as const;

/**
 * Asks once what the server is. Throws ShadowDbError SERVER for one whose DDL is not atomic, or that is no MySQL, and SQL_MODE where a value with a backslash does
 * not arrive as it is: drivers that put values into the text escape them, and under NO_BACKSLASH_ESCAPES a key of a row would end its string and go on as SQL.
 */
export async function readServer(db: Db): Promise<ServerFacts> {
  const [row] = await db.query(
    'SELECT VERSION() AS version, @@lower_case_table_names AS folding, @@auto_increment_increment AS idIncrement, HEX(?) AS probe',
    ['\\'],
  );
  if (textOf(row?.probe) !== '5C') {
    throw new ShadowDbError(
      'SQL_MODE',
      'this session reads a backslash in a value as its driver does not (NO_BACKSLASH_ESCAPES)',
    );
  }
  return serverFacts(textOf(row?.version), numberOf(row?.folding), numberOf(row?.idIncrement));
}

/** Pure part of `readServer`. */
export function serverFacts(version: string, folding: number, idIncrement: number): ServerFacts {
  const flavour = /mariadb/i.test(version) ? 'mariadb' : 'mysql';
  // a MariaDB behind a proxy may say 5.5.5-10.6.12-MariaDB
  const numbers = /^(?:5\.5\.5-)?(\d+)\.(\d+)\./.exec(version);
  const [major, minor] = [Number(numbers?.[1]), Number(numbers?.[2])];
  const [needMajor, needMinor] = oldest[flavour];
  const isOld = !numbers || major < needMajor || (major === needMajor && minor < needMinor);
  if (isOld || /tidb|vitess|oceanbase|starrocks|doris|clickhouse/i.test(version)) {
    throw new ShadowDbError('SERVER', `this server calls itself ${version || 'nothing'}`);
  }
  return { flavour, version, ignoreCase: folding !== 0, idIncrement: Math.max(1, idIncrement) };
}

/** The same statement in every session: sql_mode changes how SHOW CREATE TABLE and information_schema quote names. */
export function steady(sql: string, { flavour }: ServerFacts, lockWaitSec?: number): string {
  if (flavour !== 'mariadb') return sql;
  const wait = lockWaitSec === undefined ? '' : `, lock_wait_timeout = ${lockWaitSec}`;
  return `SET STATEMENT sql_mode = ''${wait} FOR ${sql}`;
}

/** Throws ShadowDbError READ_ONLY unless the server takes writes that stay. Returns what cannot be seen from this account. */
export async function checkWritable(db: Db, { flavour }: ServerFacts): Promise<string[]> {
  const variables = flavour === 'mariadb' ? ['read_only', 'gtid_slave_pos'] : ['read_only', 'super_read_only'];
  const [row = {}] = await db.query(`SELECT ${variables.map((name) => `@@GLOBAL.${name} AS ${name}`).join(', ')}`);
  for (const name of ['read_only', 'super_read_only']) {
    if (row[name] !== undefined && !['0', 'OFF'].includes(textOf(row[name]).toUpperCase())) {
      throw new ShadowDbError('READ_ONLY', `@@${name} is on`);
    }
  }
  try {
    const [source] = await db.query('SHOW REPLICA STATUS');
    if (source === undefined) return [];
    const host = textOf(source.Master_Host ?? source.Source_Host);
    throw new ShadowDbError('READ_ONLY', `it replicates from ${quoteText(host)}`);
  } catch (error) {
    if (error instanceof ShadowDbError) throw error;
    // without the right to see it, the position that replication leaves behind is the only trace
    return textOf(row.gtid_slave_pos) === ''
      ? []
      : [
          'this server has replicated from another one, and this account may not see whether it still does (SLAVE MONITOR): provision the primary',
        ];
  }
}
