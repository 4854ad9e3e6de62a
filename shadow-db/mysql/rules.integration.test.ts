import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Connection, createConnection, type ResultSetHeader } from 'mysql2/promise';
import { createRewriter, type RewriteContext, type Rewriter } from './rewriter.js';

/**
 * The rules and traps of redirecting, each with what MariaDB says. Real and shadow tables hold the same rows, so that the original on
 * real tables and the redirected statement on shadow tables must have one outcome, and the real tables must not change.
 */
const suffix = randomBytes(4).toString('hex');
const database = `rules_${suffix}`;
const other = `rules_crm_${suffix}`;
const account = `rules_${suffix}`;
const context: RewriteContext = {
  sqlMode: { ansiQuotes: false, noBackslashEscapes: false, ignoreSpace: true, pipesAsConcat: false, oracle: false },
  server: 'mariadb',
  charset: 'utf8mb4',
};
const url = process.env.SHADOWLINE_TEST_MYSQL_URL ?? '';
const real = ['o', 'i', 'p', 'b'];
let rewriter: Rewriter;
let connection: Connection;

interface Outcome {
  errno: number;
  rows?: unknown;
  affectedRows?: number;
}

async function outcome(sql: string, on = connection): Promise<Outcome> {
  try {
    // a table without an alias has its own name as the key of nestTables, which RETURNING cannot change
    const [result] = await on.query({ sql, nestTables: !sql.includes('RETURNING') });
    if (Array.isArray(result)) return { errno: 0, rows: result };
    return { errno: 0, affectedRows: (result as ResultSetHeader).affectedRows };
  } catch (error) {
    return { errno: (error as { errno?: number }).errno ?? -1 };
  }
}

function redirected(sql: string, given = context): string {
  const result = rewriter.rewrite(sql, given);
  if (result.action === 'refuse') throw new Error(`${result.code}: ${result.message}`);
  return result.sql;
}

/** What the statement did, as seen by the transaction itself, and undone. */
async function inTransaction(sql: string, tables: readonly string[]): Promise<{ result: Outcome; after: unknown[] }> {
  await connection.query('START TRANSACTION');
  const result = await outcome(sql);
  const after: unknown[] = [];
  for (const table of tables) after.push((await connection.query(`SELECT * FROM ${table} ORDER BY 1`))[0]);
  await connection.query('ROLLBACK');
  return { result, after };
}

const checksums = async (): Promise<unknown> =>
  (await connection.query(`CHECKSUM TABLE ${[...real, `${other}.people`].join(', ')}`))[0];

beforeAll(async () => {
  if (url === '') throw new Error('SHADOWLINE_TEST_MYSQL_URL is not set: start the test servers');
  connection = await createConnection(url);
  for (const name of [database, other]) await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  await connection.query(`USE ${database}`);
  for (const table of real) {
    const partitions =
      table === 'p'
        ? 'PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (2), PARTITION p1 VALUES LESS THAN MAXVALUE)'
        : '';
    await connection.query(
      `CREATE TABLE ${table} (id INT PRIMARY KEY, n INT, t VARCHAR(40), KEY by_n (n)) ${partitions}`,
    );
    await connection.query(`INSERT INTO ${table} VALUES (1, 10, 'a''b'), (2, 20, 'c\\\\'), (3, 30, 'd')`);
    if (table === 'b') continue;
    await connection.query(`CREATE TABLE ${table}_shadow LIKE ${table}`);
    await connection.query(`INSERT INTO ${table}_shadow SELECT * FROM ${table}`);
  }
  await connection.query(`CREATE TABLE ${other}.people (id INT PRIMARY KEY, n INT)`);
  await connection.query(`INSERT INTO ${other}.people VALUES (1, 1), (2, 2)`);
  await connection.query(`CREATE TABLE ${other}.people_shadow LIKE ${other}.people`);
  await connection.query(`INSERT INTO ${other}.people_shadow SELECT * FROM ${other}.people`);
  await connection.query('CREATE SEQUENCE s');
  await connection.query('CREATE FUNCTION f() RETURNS INT RETURN (SELECT MAX(n) FROM o)');
  await connection.query('CREATE FUNCTION `now`() RETURNS INT RETURN 4711');
  await connection.query('CREATE FUNCTION any_value(a INT) RETURNS INT RETURN 4711');
  await connection.query('CREATE PROCEDURE pr() UPDATE o SET n = n');
  rewriter = createRewriter({
    dialect: 'mysql',
    mode: 'table',
    database,
    tables: { o: 'shadow', i: 'shadow', 'p*': 'shadow', b: 'real-read', [`${other}.people`]: 'shadow' },
    readLocks: true,
  });
});
afterAll(async () => {
  for (const name of [database, other]) await connection.query(`DROP DATABASE IF EXISTS ${name}`);
  await connection.query(`DROP USER IF EXISTS '${account}'@'%', '${account}'@'localhost'`);
  await connection.end();
});

describe('the redirected statement has the outcome of the original', () => {
  it.each<[string, string, number]>([
    // rule, statement, the error of both (0: none)
    ['an alias keeps qualifiers', 'SELECT o.id, o.* FROM o ORDER BY o.id', 0],
    ['with the schema too', `SELECT ${database}.o.id, ${database}.o.n FROM ${database}.o ORDER BY o.id`, 0],
    [
      'in every clause',
      'SELECT o.n, COUNT(o.id) FROM o WHERE o.id > 0 GROUP BY o.n HAVING MAX(o.n) > 10 ORDER BY MAX(o.id) DESC LIMIT 1, 1',
      0,
    ],
    ['an alias of its own stays', 'SELECT x.id FROM o AS x JOIN i y ON y.id = x.id ORDER BY 1', 0],
    [
      'joins of every kind',
      'SELECT o.id, i.n, b.n FROM (o JOIN i USING (id)) LEFT JOIN b ON b.id = o.id ORDER BY 1',
      0,
    ],
    ['NATURAL and STRAIGHT_JOIN', 'SELECT COUNT(*) AS c FROM o NATURAL JOIN i STRAIGHT_JOIN b', 0],
    ['the old join of braces is none of it', "SELECT {d '2024-01-02'} AS d, o.id FROM o ORDER BY 2", 0],
    ['the alias goes after PARTITION', 'SELECT p.id FROM p PARTITION (p0) WHERE p.id = 1', 0],
    ['and before index hints', 'SELECT p.id FROM p PARTITION (p1) FORCE INDEX (by_n) WHERE p.n > 1 ORDER BY 1', 0],
    [
      'several hints',
      'SELECT o.id FROM o USE INDEX FOR JOIN (by_n) IGNORE INDEX FOR ORDER BY (PRIMARY) ORDER BY o.id',
      0,
    ],
    ['optimizer hints', 'SELECT /*+ MAX_EXECUTION_TIME(1000) */ o.id FROM o ORDER BY 1', 0],
    ['derived tables', 'SELECT d.id FROM (SELECT o.id FROM o WHERE o.n > 10) AS d ORDER BY 1', 0],
    ['correlated subqueries', 'SELECT i.id FROM i WHERE EXISTS (SELECT 1 FROM o WHERE o.id = i.id AND o.n = 20)', 0],
    ['set operations', '(SELECT o.id FROM o) UNION ALL (SELECT id FROM i) ORDER BY id LIMIT 2', 0],
    ['a WITH name hides the table', 'WITH o AS (SELECT 7 AS id) SELECT * FROM o', 0],
    ['in any case', 'WITH o AS (SELECT 7 AS id) SELECT * FROM O', 0],
    ['but not inside itself', 'WITH o AS (SELECT * FROM o WHERE id = 1) SELECT n FROM o', 0],
    ['nor with a schema', `WITH o AS (SELECT 7 AS id) SELECT x.id FROM ${database}.o AS x ORDER BY 1`, 0],
    [
      'recursively',
      'WITH RECURSIVE c AS (SELECT 1 AS id UNION ALL SELECT c.id + 1 FROM c JOIN o ON o.id = c.id) SELECT * FROM c',
      0,
    ],
    ['qualifiers are case-sensitive', 'SELECT O.id FROM o', 1054],
    ['an alias hides the name', 'SELECT o.id FROM o AS x', 1054],
    ['two of one name', 'SELECT 1 FROM o, o', 1066],
    ['INSERT takes no alias: its qualifiers follow', `INSERT INTO o (o.id, ${database}.o.n) VALUES (4, 40)`, 0],
    [
      'those of ON DUPLICATE KEY too',
      `INSERT INTO o (id, n) VALUES (1, 5) ON DUPLICATE KEY UPDATE o.n = o.n + VALUES(o.n), ${database}.o.t = 'x'`,
      0,
    ],
    [
      'against those of the query',
      'INSERT INTO o (id, n) SELECT i.id, i.n FROM i ON DUPLICATE KEY UPDATE o.n = o.n + i.n',
      0,
    ],
    ['INSERT … SELECT from itself', 'INSERT INTO o (id, n) SELECT o.id + 100, o.n FROM o', 0],
    ['INSERT … SET', "INSERT INTO o SET o.id = 9, n = (SELECT MAX(i.n) FROM i), t = 'from o'", 0],
    ['INSERT … RETURNING', 'INSERT INTO o (id) VALUES (8) RETURNING o.id, o.n', 0],
    ['REPLACE', 'REPLACE INTO o (id, n) VALUES (1, 11), (5, 50)', 0],
    ['duplicate key', 'INSERT INTO o (id) VALUES (1)', 1062],
    ['single-table DELETE', `DELETE FROM o WHERE o.id = 1 OR ${database}.o.n = 20 ORDER BY o.id LIMIT 1`, 0],
    ['with a subquery on itself', 'DELETE FROM i WHERE i.id IN (SELECT o.id FROM o WHERE o.n = i.n)', 0],
    [
      'an ON clause sees what was joined so far',
      'DELETE FROM o WHERE o.id IN (SELECT a.id FROM o a JOIN i ON o.id = a.id JOIN o ON o.id = 2)',
      0,
    ],
    [
      'and nothing from before a comma',
      'DELETE FROM o WHERE 3 IN (SELECT b.id FROM o, o a JOIN i b ON o.id = b.id WHERE o.id = 1)',
      0,
    ],
    ['DELETE … RETURNING', 'DELETE FROM o WHERE o.id = 3 RETURNING o.t', 0],
    ['multi-table DELETE', 'DELETE o FROM o JOIN i ON i.id = o.id WHERE i.n = 20', 0],
    ['its target loses the schema', `DELETE ${database}.o FROM ${database}.o JOIN i ON i.id = o.id WHERE i.n = 20`, 0],
    ['of both tables', `DELETE o.*, ${database}.i.* FROM o JOIN i USING (id) WHERE o.id = 1`, 0],
    ['with USING', 'DELETE FROM x USING o AS x JOIN i ON i.id = x.id WHERE x.id < 3', 0],
    ['UPDATE', `UPDATE o SET o.n = o.n + 1, ${database}.o.t = 'u' WHERE o.id = 2`, 0],
    ['UPDATE of several', 'UPDATE o JOIN i ON i.id = o.id SET o.n = i.n + 1, i.n = 0 WHERE o.id > 1', 0],
    ['UPDATE with real-read', 'UPDATE o JOIN b ON b.id = o.id SET o.n = b.n + 1', 0],
    ['ORDER BY and LIMIT', 'UPDATE o SET n = 1 ORDER BY o.id DESC LIMIT 1', 0],
    ['another schema', `SELECT people.n, o.n FROM ${other}.people JOIN o USING (id) ORDER BY 2`, 0],
    ['written there', `INSERT INTO ${other}.people SELECT id + 10, n FROM o`, 0],
    [
      'one name in two schemas',
      `SELECT ${database}.o.id, x.id FROM ${database}.o, ${other}.people x WHERE x.id = o.id ORDER BY 1`,
      0,
    ],
    ['text that looks like SQL', "SELECT ' from o ', 'it''s' , 'a\\'' FROM o WHERE t = 'a\\'b' -- from o", 0],
    ['comments of every kind', 'SELECT/* from i */1 AS x FROM/**/o#x\n WHERE 1 -- \n AND o.id=1', 0],
    ['spaces around dots', `SELECT o . id FROM ${database} . o ORDER BY 1`, 0],
    ['keywords as names behind a dot', 'SELECT o.select FROM o', 1054],
    ['SELECT … INTO a variable', 'SELECT MAX(o.n) INTO @m FROM o', 0],
    ['a subquery in SET', 'SET @m = (SELECT MAX(n) FROM o)', 0],
    ['a variable that ends at its quote', 'SELECT @`m`FROM`o`ORDER BY 1', 0],
    ['FOR UPDATE', 'SELECT o.id FROM o WHERE o.id = 1 FOR UPDATE', 0],
    ['LOCK IN SHARE MODE', 'SELECT o.id FROM o WHERE o.id = 1 LOCK IN SHARE MODE', 0],
  ])('%s: %s', async (_, sql, errno) => {
    const before = await checksums();
    const tables = ['o', 'i', 'p', `${other}.people`];
    const original = await inTransaction(sql, tables);
    const shadow = await inTransaction(
      redirected(sql),
      tables.map((table) => `${table}_shadow`),
    );
    expect(original.result.errno).toBe(errno);
    expect(shadow).toEqual(original);
    expect(await checksums()).toEqual(before);
  });

  it.each([
    'SHOW COLUMNS FROM o',
    'SHOW INDEX FROM o',
    'SHOW CREATE TABLE o',
    'DESCRIBE o',
    'EXPLAIN SELECT o.id FROM o',
    'SHOW FULL COLUMNS FROM o FROM `{}`',
    'DESC o n',
  ])('%s, but for the name', async (text) => {
    const sql = text.replace('{}', database);
    const original = await outcome(sql);
    const shadow = JSON.stringify(await outcome(redirected(sql)));
    expect(original.errno).toBe(0);
    expect(JSON.parse(shadow.replaceAll('o_shadow', 'o'))).toEqual(JSON.parse(JSON.stringify(original)));
    if (!sql.startsWith('EXPLAIN')) expect(redirected(sql)).toContain('o_shadow');
  });

  it('LOCK TABLES locks the aliased and the bare name', async () => {
    // with the aliased name alone, statements that take no alias are error 1100
    await connection.query('LOCK TABLES o_shadow AS o WRITE');
    expect((await outcome('INSERT INTO o_shadow VALUES (90, 1, NULL)')).errno).toBe(1100);
    await connection.query('UNLOCK TABLES');
    await connection.query(redirected('LOCK TABLES o WRITE, i x READ'));
    for (const sql of [
      'SELECT o.id FROM o',
      'UPDATE o SET o.n = 1 WHERE o.id = 99',
      'DELETE FROM o WHERE o.id = 99',
      'SELECT x.id FROM i x',
    ]) {
      expect(await outcome(redirected(sql))).toMatchObject({ errno: 0 });
    }
    // the real table is not locked, nor reachable
    expect((await outcome('SELECT * FROM o')).errno).toBe(1100);
    await connection.query('UNLOCK TABLES');
  });
});

describe('sql_mode of the session', () => {
  it.each<[string, RewriteContext['sqlMode'], string]>([
    [
      'NO_BACKSLASH_ESCAPES',
      { noBackslashEscapes: true, ansiQuotes: false },
      "SELECT o.id FROM o WHERE t = 'c\\' OR t = '\\' ORDER BY 1",
    ],
    [
      '',
      { noBackslashEscapes: false, ansiQuotes: false },
      "SELECT o.id FROM o WHERE t = 'c\\\\' OR t = '\\' FROM i -- ' ORDER BY 1",
    ],
    ['ANSI_QUOTES', { noBackslashEscapes: false, ansiQuotes: true }, 'SELECT "o"."id", \'"\' FROM "o" ORDER BY 1'],
    [
      'ANSI_QUOTES,NO_BACKSLASH_ESCAPES',
      { noBackslashEscapes: true, ansiQuotes: true },
      'SELECT "o".id, \'\\\' AS "a ""b" FROM "o" ORDER BY 1',
    ],
    [
      'PIPES_AS_CONCAT',
      { noBackslashEscapes: false, ansiQuotes: false, pipesAsConcat: true },
      "SELECT o.t || 'x' FROM o ORDER BY 1",
    ],
    ['IGNORE_SPACE', { noBackslashEscapes: false, ansiQuotes: false, ignoreSpace: true }, 'SELECT COUNT (o.id) FROM o'],
  ])('%s', async (mode, sqlMode, sql) => {
    const own = await createConnection({ uri: url, database });
    try {
      await own.query('SET SESSION sql_mode = ?', [mode]);
      const original = await outcome(sql, own);
      expect(original.errno).toBe(0);
      const result = redirected(sql, { ...context, sqlMode: sqlMode! });
      // a column without an alias is named by its text
      expect(Object.values(await outcome(result, own))).toEqual(Object.values(original));
      expect(result).toContain('o_shadow');
    } finally {
      await own.end();
    }
  });

  it('a blank before the bracket calls a stored function, unless IGNORE_SPACE', async () => {
    const own = await createConnection({ uri: url, database, flags: ['-IGNORE_SPACE'] });
    try {
      expect((await own.query('SELECT now () AS a'))[0]).toEqual([{ a: 4711 }]);
      expect((await connection.query('SELECT now/**/() AS a'))[0]).toEqual([{ a: 4711 }]);
      expect((await connection.query('SELECT any_value(1) AS a'))[0]).toEqual([{ a: 4711 }]);
      const off = { ...context, sqlMode: { ...context.sqlMode, ignoreSpace: false } };
      expect(rewriter.rewrite('SELECT now () AS a', off)).toMatchObject({ code: 'SQL_FUNCTION' });
      expect(rewriter.rewrite('SELECT now/**/() AS a', context)).toMatchObject({ code: 'SQL_FUNCTION' });
      expect(rewriter.rewrite('SELECT any_value(1) AS a', context)).toMatchObject({ code: 'SQL_FUNCTION' });
    } finally {
      await own.end();
    }
  });

  it('in ORACLE, BEGIN opens a block', async () => {
    const own = await createConnection({ uri: url, database });
    try {
      await own.query("SET SESSION sql_mode = 'ORACLE'");
      expect((await outcome('BEGIN UPDATE o SET n = n; END', own)).errno).toBe(0);
      const oracle = { ...context, sqlMode: { ...context.sqlMode, oracle: true } };
      for (const sql of ['BEGIN', 'SELECT 1', 'UPDATE o SET n = n']) {
        expect(rewriter.rewrite(sql, oracle)).toMatchObject({ code: 'SQL_ORACLE_MODE' });
      }
    } finally {
      await own.end();
    }
  });
});

describe('what passes is taken by the server', () => {
  it.each([
    'BEGIN',
    'START TRANSACTION READ ONLY',
    'COMMIT',
    'START TRANSACTION WITH CONSISTENT SNAPSHOT',
    'SAVEPOINT a',
    'ROLLBACK TO SAVEPOINT a',
    'RELEASE SAVEPOINT a',
    'ROLLBACK',
    'SET NAMES utf8mb4 COLLATE utf8mb4_bin',
    'SET @a = 1, @@SESSION.wait_timeout = 600',
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
    "SHOW VARIABLES LIKE 'version'",
    "SHOW SESSION STATUS LIKE 'Uptime'",
    'SHOW WARNINGS',
    'SELECT TABLE_NAME FROM information_schema.TABLES LIMIT 1',
    'SELECT 1',
    'VALUES (1), (2)',
    'SELECT NOW() FROM DUAL',
  ])('%s', async (sql) => {
    expect(rewriter.rewrite(sql, context)).toMatchObject({ action: 'pass', sql });
    expect((await outcome(sql)).errno).toBe(0);
  });
});

describe('what is refused, though the server would take it or act on it', () => {
  /** What the server makes of the text, without running it. */
  const prepared = async (sql: string): Promise<number> => {
    const result = await outcome(connection.format('PREPARE st FROM ?', [sql]));
    if (result.errno === 0) await connection.query('DEALLOCATE PREPARE st');
    return result.errno;
  };
  it.each<[string, number, string]>([
    ['CREATE TABLE x (a INT)', 0, 'SQL_DDL'],
    ['ALTER TABLE o ADD x INT', 0, 'SQL_DDL'],
    ['DROP TABLE o', 0, 'SQL_DDL'],
    ['RENAME TABLE o TO x', 0, 'SQL_DDL'],
    ['CREATE TABLE x AS SELECT * FROM o', 0, 'SQL_DDL'],
    ['CALL pr()', 0, 'SQL_PROCEDURE'],
    ['DO f()', 0, 'SQL_PROCEDURE'],
    ['HANDLER o OPEN', 0, 'SQL_PROCEDURE'],
    ["LOAD DATA INFILE '/x' INTO TABLE o", 0, 'SQL_FILE'],
    ["PREPARE x FROM 'DELETE FROM o'", 1295, 'SQL_DYNAMIC'],
    ["EXECUTE IMMEDIATE 'DELETE FROM o'", 1295, 'SQL_DYNAMIC'],
    [`USE ${database}`, 0, 'SQL_USE'],
    ['SET GLOBAL max_connections = 100', 0, 'SQL_SET'],
    ["SET sql_mode = 'ANSI_QUOTES'", 0, 'SQL_SET'],
    ["SET @a = 1, SESSION sql_mode = ''", 0, 'SQL_SET'],
    ['SET NAMES latin1', 0, 'SQL_SET'],
    ["SET STATEMENT sql_mode = '' FOR SELECT 1", 0, 'SQL_SET'],
    ['GRANT SELECT ON o TO CURRENT_USER', 0, 'SQL_ADMIN'],
    ['FLUSH TABLES', 0, 'SQL_ADMIN'],
    ['KILL 1', 0, 'SQL_ADMIN'],
    ["XA START 'a'", 0, 'SQL_XA'],
    ["SELECT * FROM o INTO OUTFILE '/x'", 0, 'SQL_FILE'],
    ["SELECT id FROM o LIMIT 1 INTO DUMPFILE '/x'", 0, 'SQL_FILE'],
    ["SELECT LOAD_FILE('/x')", 0, 'SQL_FILE'],
    ['SELECT 1 /*!50000 FROM o */', 0, 'SQL_EXECUTABLE_COMMENT'],
    ['SELECT 1 /*M!100000 FROM o */', 0, 'SQL_EXECUTABLE_COMMENT'],
    ["SELECT GET_LOCK('a', 0)", 0, 'SQL_LOCK_FUNCTION'],
    ['SELECT f()', 0, 'SQL_FUNCTION'],
    [`SELECT ${database}.f()`, 0, 'SQL_FUNCTION'],
    ['SELECT `f`()', 0, 'SQL_FUNCTION'],
    ['SELECT NEXT VALUE FOR s', 0, 'SQL_SEQUENCE'],
    ['SELECT NEXTVAL(s)', 0, 'SQL_SEQUENCE'],
    ['SELECT * FROM o FOR SYSTEM_TIME ALL', 4124, 'SQL_SYSTEM_TIME'],
    ['TRUNCATE o', 0, 'SQL_TRUNCATE'],
    ['SELECT 1 FROM .o', 0, 'SQL_NOT_UNDERSTOOD'],
    ['SELECT 1 FROM.`o`', 0, 'SQL_NOT_UNDERSTOOD'],
    ['SELECT 1e5FROM o', 0, 'SQL_CHARACTER'],
    ["SELECT 'a", 1064, 'SQL_UNCLOSED'],
    ['SELECT * FROM o /* a', 1064, 'SQL_UNCLOSED'],
    ['SELECT * FROM o; DELETE FROM o', 1064, 'SQL_MULTI_STATEMENT'],
    ['SELECT * FROM (WITH x AS (SELECT id FROM o) SELECT id FROM x) y', 0, 'SQL_NESTED_WITH'],
    ['UPDATE b SET n = 1', 0, 'SQL_REAL_WRITE'],
    ['DELETE b FROM b JOIN o USING (id)', 0, 'SQL_REAL_WRITE'],
    ['SELECT * FROM o, b FOR UPDATE', 0, 'SQL_REAL_LOCK'],
    ['UPDATE o, b SET t = 1', 1052, 'SQL_REAL_WRITE'],
    ['SELECT * FROM mysql.user', 0, 'SQL_OTHER_SCHEMA'],
    ['SELECT * FROM s', 0, 'SQL_UNCLASSED_TABLE'],
    ['SELECT * FROM o_shadow', 0, 'SQL_SHADOW_NAME'],
    // no keywords here: 1146 tells that the server looked for a table of that name
    ['SELECT * FROM lateral b', 1146, 'SQL_NOT_UNDERSTOOD'],
    ['UPDATE quick b, o SET o.n = b.n', 1146, 'SQL_UNCLASSED_TABLE'],
    ['DESC extended id', 0, 'SQL_NOT_UNDERSTOOD'],
    ['DESC partitions b', 0, 'SQL_NOT_UNDERSTOOD'],
    // 1630: it looked for a stored function
    ["SELECT 1 FROM JSON_TABLE(escape(1), '$' COLUMNS (a INT PATH '$')) j", 1630, 'SQL_FUNCTION'],
    ["SELECT 1 FROM JSON_TABLE(1 + columns(1), '$' COLUMNS (a INT PATH '$')) j", 1630, 'SQL_FUNCTION'],
    ["SELECT 1 FROM JSON_TABLE(against(1), '$' COLUMNS (a INT PATH '$')) j", 1630, 'SQL_FUNCTION'],
    ["SELECT 1 FROM JSON_TABLE(NEXT VALUE FOR ordinality, '$' COLUMNS (a INT PATH '$')) j", 1146, 'SQL_SEQUENCE'],
    // the server compares the schema of a target, the aliased shadow would answer
    [`DELETE people FROM ${other}.people`, 1109, 'SQL_AMBIGUOUS'],
  ])('%s: the server says %i, shadow traffic %s', async (sql, errno, code) => {
    expect(await prepared(sql)).toBe(errno);
    expect(rewriter.rewrite(sql, context)).toMatchObject({ action: 'refuse', code });
  });

  it('a nested WITH reads the base table', async () => {
    const sql = 'WITH o AS (SELECT 4711 AS id) SELECT * FROM (WITH x AS (SELECT id FROM o) SELECT id FROM x) y';
    const [rows] = await connection.query(sql);
    expect(rows).toEqual(expect.arrayContaining([{ id: 1 }]));
  });

  it('TRUNCATE commits what was open before it', async () => {
    await connection.query('CREATE TABLE tr_shadow (id INT)');
    const truncating = createRewriter({
      dialect: 'mysql',
      mode: 'table',
      database,
      tables: { tr: 'shadow', i: 'shadow' },
      truncate: true,
    });
    await connection.query('START TRANSACTION');
    await connection.query('INSERT INTO i_shadow VALUES (77, 1, NULL)');
    const result = truncating.rewrite('TRUNCATE TABLE tr', context);
    await connection.query(result.action === 'rewrite' ? result.sql : '');
    await connection.query('ROLLBACK');
    expect((await outcome('DELETE FROM i_shadow WHERE id = 77')).affectedRows).toBe(1);
  });
});

describe('what the server does beside the statement', () => {
  const blocked = async (sql: string, isolation = 'REPEATABLE READ'): Promise<boolean> => {
    const [reader, writer] = await Promise.all([createConnection(url), createConnection(url)]);
    try {
      await reader.query(`USE ${database}`);
      await reader.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`);
      await reader.query('START TRANSACTION');
      await reader.query(sql);
      await writer.query('SET innodb_lock_wait_timeout = 1');
      const { errno } = await outcome(`UPDATE ${database}.b SET n = n + 1`, writer);
      expect([0, 1205]).toContain(errno);
      return errno === 1205;
    } finally {
      await Promise.all([reader.end(), writer.end()]);
    }
  };

  it('EXPLAIN of a statement that writes locks the rows by which it is planned', async () => {
    const strict = createRewriter({
      dialect: 'mysql',
      mode: 'table',
      database,
      tables: { o: 'shadow', b: 'real-read' },
    });
    expect(await blocked('EXPLAIN SELECT * FROM b WHERE id = 1')).toBe(false);
    for (const sql of [
      'EXPLAIN INSERT INTO {} SELECT * FROM b WHERE id = 1',
      'EXPLAIN UPDATE {} SET n = (SELECT n FROM b WHERE id = 1)',
      'EXPLAIN DELETE FROM {} WHERE id = (SELECT n FROM b WHERE id = 1)',
    ]) {
      expect({ sql, blocked: await blocked(sql.replace('{}', 'o_shadow')) }).toEqual({ sql, blocked: true });
      expect(strict.rewrite(sql.replace('{}', 'o'), context)).toMatchObject({ code: 'SQL_REAL_LOCK' });
    }
  });

  it('a subquery of SHOW locks what it reads', async () => {
    const sql = 'SHOW TABLES WHERE EXISTS (SELECT n FROM b WHERE id = 1)';
    const strict = createRewriter({ dialect: 'mysql', mode: 'table', database, tables: { b: 'real-read' } });
    expect(await blocked(sql, 'READ COMMITTED')).toBe(true);
    expect(strict.rewrite(sql, context)).toMatchObject({ code: 'SQL_REAL_LOCK' });
    expect(await blocked('SHOW CREATE TABLE b', 'SERIALIZABLE')).toBe(false);
    expect(rewriter.rewrite(sql, { ...context, serializable: true })).toMatchObject({ code: 'SQL_REAL_LOCK' });
  });

  it('DEFAULT(column) draws from the sequence of the default', async () => {
    await connection.query('CREATE SEQUENCE numbers NOCACHE');
    await connection.query('CREATE TABLE numbered (id INT DEFAULT (NEXTVAL(numbers)))');
    await connection.query('INSERT INTO numbered VALUES (1)');
    await connection.query('SELECT DEFAULT(id) FROM numbered');
    expect((await connection.query('SELECT NEXTVAL(numbers) AS next'))[0]).toEqual([{ next: 2 }]);
    await connection.query('DROP TABLE numbered');
    await connection.query('DROP SEQUENCE numbers');
  });

  it('#mysql50# in a name is that of a file', async () => {
    expect((await outcome('SELECT id FROM `#mysql50#o`')).errno).toBe(0);
    // open under a second name, the table could not be dropped
    await connection.query('FLUSH TABLES `#mysql50#o`');
  });

  it('a WITH part hides the shadow table', async () => {
    const sql = 'WITH o_shadow AS (SELECT 4711 AS id) SELECT id FROM o_shadow AS o';
    expect((await connection.query(sql))[0]).toEqual([{ id: 4711 }]);
  });
});

describe('why names are spliced as they are', () => {
  it.each<[string, string, number]>([
    ['a target with a schema, once the table has an alias', 'DELETE {}.o FROM {}.o_shadow AS o WHERE o.id = 0', 1109],
    ['an alias before PARTITION', 'SELECT 1 FROM p_shadow AS p PARTITION (p0)', 1064],
    ['an alias after an index hint', 'SELECT 1 FROM o_shadow USE INDEX (by_n) AS o', 1064],
    ['an alias in INSERT', 'INSERT INTO o_shadow AS o VALUES (1)', 1064],
    ['a qualifier of the old name in INSERT', 'INSERT INTO o_shadow (o.id) VALUES (9)', 1054],
    ['and in DELETE', 'DELETE FROM o_shadow WHERE o.id = 1', 1054],
    ['in ON DUPLICATE KEY', 'INSERT INTO o_shadow (id) VALUES (9) ON DUPLICATE KEY UPDATE o.n = 1', 1054],
    ['two aliases of one name', 'DELETE o FROM o_shadow AS o, i_shadow AS o', 1066],
  ])('%s', async (_, sql, errno) => {
    expect((await outcome(sql.replaceAll('{}', database))).errno).toBe(errno);
  });
});

describe('placeholders of the driver', () => {
  const rows = [{ id: 2, n: 20 }];
  it('query(): formatted by the client, before or after redirecting', async () => {
    const before = redirected(connection.format('SELECT id, n FROM ?? WHERE ?? = ?', ['o', 'o.id', 2]));
    expect(before).toContain('o_shadow');
    expect((await connection.query(before))[0]).toEqual(rows);
    const after = redirected('SELECT ??, n FROM o WHERE ?? = ? AND t IN (?)');
    expect((await connection.query(after, ['id', 'o.id', 2, ['c\\', 'x']]))[0]).toEqual(rows);
  });
  it('query(): objects and lists', async () => {
    await connection.query('START TRANSACTION');
    await connection.query(redirected('INSERT INTO o SET ?'), { id: 50, n: 5 });
    await connection.query(redirected('INSERT INTO o (??) VALUES ?'), [
      ['id', 'n'],
      [
        [51, 6],
        [52, 7],
      ],
    ]);
    await connection.query(redirected('UPDATE o SET ? WHERE id = ?'), [{ n: 8 }, 51]);
    expect((await connection.query('SELECT n FROM o_shadow WHERE id >= 50 ORDER BY id'))[0]).toEqual([
      { n: 5 },
      { n: 8 },
      { n: 7 },
    ]);
    expect((await connection.query('SELECT n FROM o WHERE id >= 50'))[0]).toEqual([]);
    await connection.query('ROLLBACK');
  });
  it('named, by query() and execute()', async () => {
    const own = await createConnection({ uri: url, database, namedPlaceholders: true });
    try {
      const sql = redirected('SELECT id, n FROM o WHERE id = :from AND n > :limit');
      expect(sql).toContain('o_shadow');
      expect((await own.query(sql, { from: 2, limit: 1 }))[0]).toEqual(rows);
      expect((await own.execute(sql, { from: 2, limit: 1 }))[0]).toEqual(rows);
      const named = redirected('SELECT ::column AS id, n FROM o WHERE id = :id');
      expect((await own.query(named, { column: 'id', id: 2 }))[0]).toEqual(rows);
      expect(rewriter.rewrite('SELECT * FROM ::table', context)).toMatchObject({ code: 'SQL_PLACEHOLDER' });
    } finally {
      await own.end();
    }
  });
  it('execute(): prepared by the server', async () => {
    expect((await connection.execute(redirected('SELECT id, n FROM o WHERE id = ? LIMIT ?'), [2, '1']))[0]).toEqual(
      rows,
    );
    // the server prepares no names
    expect(rewriter.rewrite('SELECT * FROM ??', context)).toMatchObject({ code: 'SQL_PLACEHOLDER' });
  });
});

describe('the account behind the rewriter', () => {
  it('gets error 1142 for a statement that was not redirected, and none for one that was', async () => {
    const { hostname } = new URL(url);
    for (const host of ['%', 'localhost']) {
      await connection.query(`CREATE USER '${account}'@'${host}' IDENTIFIED BY 'x'`);
      for (const table of ['o', 'i']) {
        await connection.query(
          `GRANT SELECT, INSERT, UPDATE, DELETE ON ${database}.${table}_shadow TO '${account}'@'${host}'`,
        );
      }
    }
    const own = await createConnection({
      host: hostname,
      port: Number(new URL(url).port),
      user: account,
      password: 'x',
      database,
    });
    try {
      for (const sql of [
        'SELECT * FROM o',
        'UPDATE o SET n = n',
        'DELETE FROM o',
        'INSERT INTO o VALUES (9, 9, NULL)',
      ]) {
        expect((await outcome(sql, own)).errno).toBe(1142);
      }
      for (const sql of [
        'SELECT * FROM o',
        'UPDATE o JOIN i USING (id) SET o.n = o.n',
        'DELETE FROM o WHERE id = 99',
      ]) {
        expect((await outcome(redirected(sql), own)).errno).toBe(0);
      }
      // no EXECUTE: what a stored function would reach is out of reach
      expect((await outcome('SELECT f()', own)).errno).toBe(1370);
    } finally {
      await own.end();
    }
  });
});
