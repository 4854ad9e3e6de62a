import type { DuckDBConnection } from '@duckdb/node-api';
import type { Completeness } from './completeness.js';
import { RECORD_COLUMNS } from './staging.js';

export interface SortOptions {
  shards: number;
  /** Times are whole seconds: spread the records of each evenly over it, in order of `seq`. */
  spreadSeconds: boolean;
  /** Longer pauses between two records of the recording are shortened to this; undefined: none is. */
  maxGapUs: number | undefined;
  completeness: Completeness;
}

export interface Sorted {
  records: number;
  sessions: number;
  fromUs: number;
  toUs: number;
  /** Pauses that were shortened, and by how much in all. */
  gaps: { count: number; cutUs: number };
}

/** What makes two records the same one: a segment that was copied, or read twice. */
const IDENTITY = 'session, seq, t_us, method, url';

/** Makes the table `sorted` (the columns of a recording, and `shard`) out of the table `staged`, which is gone afterwards. */
export async function sortStaged(connection: DuckDBConnection, options: SortOptions): Promise<Sorted> {
  await dropDuplicates(connection, options.completeness);
  const { moved, gaps } = await place(connection, options);
  const columns = RECORD_COLUMNS.map(([name]) =>
    moved && (name === 't_us' || name === 'seq') ? `placed.${name}` : name,
  );
  await connection.run(
    `CREATE TABLE sorted AS SELECT ${columns.join(', ')}, (session_hash % ${options.shards})::INTEGER AS shard
     FROM staged ${moved ? 'JOIN placed ON placed.id = staged.rowid' : ''}
     ORDER BY shard, ${moved ? 'placed.t_us, session, placed.seq' : 't_us, session, seq'}`,
  );
  await connection.run('DROP TABLE staged');
  await connection.run('DROP TABLE placed');
  const [row] = await rowsOf(
    connection,
    'SELECT count(*), count(DISTINCT session), coalesce(min(t_us), 0), coalesce(max(t_us), 0) FROM sorted',
  );
  const [records, sessions, fromUs, toUs] = row!.map(Number) as [number, number, number, number];
  return { records, sessions, fromUs, toUs, gaps };
}

async function dropDuplicates(connection: DuckDBConnection, completeness: Completeness): Promise<void> {
  // Hashes first: the wide columns are compared only where a hash is there twice.
  await connection.run(
    `CREATE TABLE repeated AS SELECT id, found_at FROM (
       SELECT rowid AS id, found_at, row_number() OVER (PARTITION BY ${IDENTITY} ORDER BY rowid) AS nth FROM staged
       WHERE hash(${IDENTITY}) IN (SELECT h FROM (SELECT hash(${IDENTITY}) AS h FROM staged) GROUP BY h HAVING count(*) > 1)
     ) WHERE nth > 1`,
  );
  const [[count]] = (await rowsOf(connection, 'SELECT count(*) FROM repeated')) as [[bigint]];
  if (count > 0n) {
    const first = await rowsOf(connection, 'SELECT found_at FROM repeated ORDER BY id LIMIT 20');
    for (const [where] of first) completeness.drop('duplicate', String(where));
    if (Number(count) > first.length) completeness.drop('duplicate', undefined, Number(count) - first.length);
    await connection.run('DELETE FROM staged WHERE rowid IN (SELECT id FROM repeated)');
  }
  await connection.run('DROP TABLE repeated');
}

/**
 * Makes the table `placed` (id, t_us, seq): each session's requests numbered from 0 in order of time, also when several instances recorded
 * parts of it or records of it are missing. `moved` is false when all records are in their place already.
 */
async function place(
  connection: DuckDBConnection,
  { spreadSeconds, maxGapUs }: SortOptions,
): Promise<{ moved: boolean; gaps: Sorted['gaps'] }> {
  const spread = spreadSeconds
    ? 't_us + (1000000 * (row_number() OVER (PARTITION BY t_us ORDER BY seq) - 1)) // count(*) OVER (PARTITION BY t_us)'
    : 't_us';
  const times = `SELECT rowid AS id, session_hash, session, seq AS was, ${spread} AS t_us FROM staged`;
  // What every later record is moved back by: the excess of all pauses before it.
  const excess = `sum(greatest(0, gap - ${maxGapUs})) OVER (ORDER BY t_us, id ROWS UNBOUNDED PRECEDING)::BIGINT`;
  const closed =
    maxGapUs === undefined
      ? `SELECT *, 0 AS gap FROM (${times})`
      : `SELECT * REPLACE (t_us - ${excess} AS t_us) FROM (
           SELECT *, t_us - coalesce(lag(t_us) OVER (ORDER BY t_us, id), t_us) AS gap FROM (${times}))`;
  await connection.run(
    `CREATE TABLE placed AS
     SELECT id, t_us, row_number() OVER (PARTITION BY session_hash, session ORDER BY t_us, was, id) - 1 AS seq, was, gap
     FROM (${closed})`,
  );
  const gaps = { count: 0, cutUs: 0 };
  if (maxGapUs !== undefined) {
    const [row] = await rowsOf(
      connection,
      `SELECT count(*), coalesce(sum(gap - ${maxGapUs}), 0) FROM placed WHERE gap > ${maxGapUs}`,
    );
    [gaps.count, gaps.cutUs] = row!.map(Number) as [number, number];
  }
  if (spreadSeconds || gaps.count > 0) return { moved: true, gaps };
  const [[misnumbered]] = (await rowsOf(connection, 'SELECT count(*) FROM placed WHERE seq <> was')) as [[bigint]];
  return { moved: misnumbered > 0n, gaps };
}

async function rowsOf(connection: DuckDBConnection, sql: string): Promise<unknown[][]> {
  return (await connection.runAndReadAll(sql)).getRows();
}
