import { quoteName } from '../../names.js';
import { type Db, numberOf, ShadowDbError, textOf } from '../db.js';
import type {
  AutoIncrementModel,
  ColumnModel,
  ForeignKeyModel,
  IndexModel,
  SchemaModel,
  TableModel,
  TriggerModel,
  ViewModel,
} from './model.js';
import { readServer, type ServerFacts, steady } from './server.js';
import { bodyOf } from './trigger-body.js';

export type * from './model.js';

type Row = Record<string, unknown>;
type Rows = [Row, ...Row[]];

/** How many tables are asked for their highest id in one statement. */
const batch = 100;

/** How long a read waits for a table that is being made or altered. */
export const busySec = 5;

/**
 * Reads the structure of one schema. Changes nothing. information_schema waits for a table that is being made, or altered under an exclusive lock, and leaves it
 * out, or parts of it, in silence when the wait is over. Throws ShadowDbError REAL_BUSY then, and when a table is locked for longer than that.
 */
export async function inspect(db: Db, database: string, server?: ServerFacts): Promise<SchemaModel> {
  const facts = server ?? (await readServer(db));
  const schemata = await db.query(
    steady('SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?', facts),
    [database],
  );
  if (schemata.length === 0) return { database, exists: false, tables: [], views: [], sequences: [] };
  const rows = await readStructure(db, database, facts);
  const { relations } = rows;
  const [columns, indexes, foreignKeys] = [byTable(rows.columns), byTable(rows.indexes), byTable(rows.foreignKeys)];
  const [checks, partitions, triggers] = [byTable(rows.checks), byTable(rows.partitions), byTable(rows.triggers)];
  const { views } = rows;

  const tables = relations
    .filter(({ kind }) => kind === 'BASE TABLE' || kind === 'SYSTEM VERSIONED')
    .map((row): TableModel => {
      const name = textOf(row.t);
      const own = byName(indexes.get(name) ?? []).map(index);
      const ownColumns = (columns.get(name) ?? []).map(column);
      const ids = autoIncrement(row, ownColumns, own);
      return {
        name,
        engine: textOf(row.engine),
        collation: textOf(row.collation),
        comment: textOf(row.comment),
        versioned: row.kind === 'SYSTEM VERSIONED',
        columns: ownColumns,
        primaryKey: own.find((one) => one.name === 'PRIMARY')?.columns ?? [],
        indexes: own,
        foreignKeys: byName(foreignKeys.get(name) ?? []).map(foreignKey),
        checks: (checks.get(name) ?? []).map((check) => ({ name: textOf(check.name), clause: textOf(check.clause) })),
        partitions: (partitions.get(name) ?? []).map((part) =>
          [part.name, part.method, part.expression, part.description, part.sub].map(textOf).join(' '),
        ),
        triggers: (triggers.get(name) ?? []).map(trigger),
        ...(ids && { autoIncrement: ids }),
      };
    });
  await readBodies(db, database, tables, facts);
  await readHighestIds(db, database, tables, facts);
  return {
    database,
    exists: true,
    tables,
    views: views.map((row) => view(row, columns.get(textOf(row.t)) ?? [])),
    sequences: relations
      .filter(({ kind }) => kind === 'SEQUENCE')
      .map((row) => ({ name: textOf(row.t), comment: textOf(row.comment) })),
  };
}

/** All rows of information_schema about one schema. What took as long as a wait may have left something out: it is looked at, and read again. */
async function readStructure(db: Db, database: string, facts: ServerFacts) {
  let isSlow = false;
  const ask = async (sql: string): Promise<Row[]> => {
    const startMs = performance.now();
    const rows = await impatient(db, sql, database, facts, [database]);
    isSlow ||= performance.now() - startMs >= busySec * 900;
    return rows;
  };
  const read = async () => {
    const relations = await ask(relationsSql);
    // broken tables have no engine either, but are told at once
    const torn = relations.find(({ kind, engine }) => textOf(engine) === '' && !/VIEW/.test(textOf(kind)));
    if (isSlow && torn !== undefined) throw busy(`${database}.${textOf(torn.t)}`);
    return {
      relations,
      columns: await ask(columnsSql),
      indexes: await ask(indexesSql(facts)),
      foreignKeys: await ask(foreignKeysSql),
      checks: await ask(facts.flavour === 'mariadb' ? mariadbChecksSql : mysqlChecksSql),
      partitions: await ask(partitionsSql),
      triggers: await ask(triggersSql),
      views: await ask(viewsSql(facts)),
    };
  };
  const rows = await read();
  const withoutCounters = (one: typeof rows): string =>
    JSON.stringify(one, (key, value) => (key === 'next' ? undefined : value));
  if (isSlow && withoutCounters(await read()) !== withoutCounters(rows)) throw busy(`a table of ${database}`);
  return rows;
}

const relationsSql = `SELECT TABLE_NAME AS t, TABLE_TYPE AS kind, ENGINE AS engine, TABLE_COLLATION AS collation, TABLE_COMMENT AS comment,
    CAST(AUTO_INCREMENT AS CHAR) AS next FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME`;
const columnsSql = `SELECT TABLE_NAME AS t, COLUMN_NAME AS name, COLUMN_TYPE AS type, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS fallback,
    COLLATION_NAME AS collation, EXTRA AS extra, GENERATION_EXPRESSION AS generation, CAST(CHARACTER_OCTET_LENGTH AS CHAR) AS octets
  FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, ORDINAL_POSITION`;
const indexesSql = ({ flavour }: ServerFacts): string =>
  `SELECT TABLE_NAME AS t, INDEX_NAME AS name, NON_UNIQUE AS nonUnique, INDEX_TYPE AS method, COLUMN_NAME AS col, SUB_PART AS part,
    ${flavour === 'mariadb' ? 'IGNORED' : "IF(IS_VISIBLE = 'NO', 'YES', 'NO')"} AS ignored
  FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`;
const foreignKeysSql = `SELECT k.TABLE_NAME AS t, k.CONSTRAINT_NAME AS name, k.COLUMN_NAME AS col, k.REFERENCED_TABLE_SCHEMA AS ps,
    k.REFERENCED_TABLE_NAME AS p, k.REFERENCED_COLUMN_NAME AS pcol, r.DELETE_RULE AS onDelete, r.UPDATE_RULE AS onUpdate
  FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
    ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
  WHERE k.TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_NAME IS NOT NULL ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`;
const mariadbChecksSql = `SELECT TABLE_NAME AS t, CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause
  FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? ORDER BY TABLE_NAME, LEVEL, CONSTRAINT_NAME`;
const mysqlChecksSql = `SELECT t.TABLE_NAME AS t, c.CONSTRAINT_NAME AS name, c.CHECK_CLAUSE AS clause
  FROM information_schema.CHECK_CONSTRAINTS c JOIN information_schema.TABLE_CONSTRAINTS t
    ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME
  WHERE c.CONSTRAINT_SCHEMA = ? AND t.CONSTRAINT_TYPE = 'CHECK' ORDER BY t.TABLE_NAME, c.CONSTRAINT_NAME`;
const partitionsSql = `SELECT TABLE_NAME AS t, PARTITION_NAME AS name, PARTITION_METHOD AS method, PARTITION_EXPRESSION AS expression,
    PARTITION_DESCRIPTION AS description, SUBPARTITION_NAME AS sub FROM information_schema.PARTITIONS
  WHERE TABLE_SCHEMA = ? AND PARTITION_NAME IS NOT NULL ORDER BY TABLE_NAME, PARTITION_ORDINAL_POSITION, SUBPARTITION_ORDINAL_POSITION`;
const triggersSql = `SELECT EVENT_OBJECT_TABLE AS t, TRIGGER_NAME AS name, ACTION_TIMING AS timing, EVENT_MANIPULATION AS event,
    ACTION_STATEMENT AS trigger_body, SQL_MODE AS sqlMode FROM information_schema.TRIGGERS
  WHERE TRIGGER_SCHEMA = ? ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER`;

function viewsSql({ flavour }: ServerFacts): string {
  const algorithm = flavour === 'mariadb' ? 'ALGORITHM' : "'UNDEFINED'";
  return `SELECT TABLE_NAME AS t, VIEW_DEFINITION AS definition, IS_UPDATABLE AS updatable, CHECK_OPTION AS checkOption, ${algorithm} AS algorithm
    FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME`;
}

/** information_schema prints the strings of a body without their escapes: where a backslash is left, only the original text is the body. */
async function readBodies(db: Db, database: string, tables: TableModel[], facts: ServerFacts): Promise<void> {
  for (const one of tables.flatMap(({ triggers }) => triggers)) {
    if (!one.body.includes('\\')) continue;
    const sql = `SHOW CREATE TRIGGER ${quoteName(database)}.${quoteName(one.name)}`;
    const [row] = await impatient(db, sql, database, facts);
    one.body = bodyOf(textOf(row?.['SQL Original Statement']), one.sqlMode) ?? one.body;
  }
}

/** AUTO_INCREMENT may lag behind ids that an UPDATE has set. Where the column leads an index, MAX reads one entry. */
async function readHighestIds(db: Db, database: string, tables: TableModel[], facts: ServerFacts): Promise<void> {
  const counted = tables.filter(({ autoIncrement: ids }) => ids?.leads);
  for (let from = 0; from < counted.length; from += batch) {
    const part = counted.slice(from, from + batch);
    const sql = part.map(
      ({ name, autoIncrement: ids }, index) =>
        `SELECT ${index} AS at, CAST(${wholeNumber(`MAX(${quoteName(ids?.column ?? '')})`, ids?.type ?? '')} AS CHAR) AS highest FROM ${quoteName(database)}.${quoteName(name)}`,
    );
    for (const row of await impatient(db, sql.join(' UNION ALL '), database, facts)) {
      const ids = part[numberOf(row.at)]?.autoIncrement;
      if (ids) ids.highest = textOf(row.highest) || '0';
    }
  }
}

/** FLOAT and DOUBLE count too, and print what is large or broken in their own way. */
function wholeNumber(value: string, type: string): string {
  return /^(?:float|double)\b/i.test(type) ? `CAST(CEILING(${value}) AS DECIMAL(65, 0))` : value;
}

/** Throws ShadowDbError REAL_BUSY when it has to wait for a lock for too long. */
export async function impatient(
  db: Db,
  sql: string,
  what: string,
  facts: ServerFacts,
  params?: unknown[],
): Promise<Row[]> {
  try {
    return await db.query(steady(sql, facts, busySec), params);
  } catch (error) {
    if ((error as { errno?: unknown }).errno !== 1205) throw error;
    throw busy(`a table of ${what}`);
  }
}

function busy(what: string): ShadowDbError {
  return new ShadowDbError('REAL_BUSY', `${what} has been locked, or has been waiting to be altered, for ${busySec} s`);
}

function byTable(rows: Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(textOf(row.t));
    if (group) group.push(row);
    else groups.set(textOf(row.t), [row]);
  }
  return groups;
}

function byName(rows: Row[]): Rows[] {
  const groups = new Map<string, Rows>();
  for (const row of rows) {
    const group = groups.get(textOf(row.name));
    if (group) group.push(row);
    else groups.set(textOf(row.name), [row]);
  }
  return [...groups.values()];
}

function orNull(value: unknown): string | null {
  return value === null || value === undefined ? null : textOf(value);
}

function column(row: Row): ColumnModel {
  return {
    name: textOf(row.name),
    type: textOf(row.type),
    nullable: row.nullable === 'YES',
    default: orNull(row.fallback),
    collation: orNull(row.collation),
    extra: textOf(row.extra),
    generation: orNull(row.generation) || null,
    ...(row.octets !== null && { octets: numberOf(row.octets) }),
  };
}

function index(rows: Rows): IndexModel {
  return {
    name: textOf(rows[0].name),
    unique: numberOf(rows[0].nonUnique) === 0,
    method: textOf(rows[0].method),
    ...(textOf(rows[0].ignored) === 'YES' && { ignored: true as const }),
    columns: rows.map((row) => (row.part === null ? textOf(row.col) : `${textOf(row.col)}(${textOf(row.part)})`)),
  };
}

function foreignKey(rows: Rows): ForeignKeyModel {
  return {
    name: textOf(rows[0].name),
    columns: rows.map((row) => textOf(row.col)),
    parentSchema: textOf(rows[0].ps),
    parent: textOf(rows[0].p),
    parentColumns: rows.map((row) => textOf(row.pcol)),
    onDelete: textOf(rows[0].onDelete),
    onUpdate: textOf(rows[0].onUpdate),
  };
}

function trigger(row: Row): TriggerModel {
  return {
    name: textOf(row.name),
    table: textOf(row.t),
    timing: textOf(row.timing),
    event: textOf(row.event),
    body: textOf(row.trigger_body),
    sqlMode: textOf(row.sqlMode),
  };
}

function view(row: Row, columns: Row[]): ViewModel {
  return {
    name: textOf(row.t),
    definition: textOf(row.definition),
    updatable: row.updatable === 'YES',
    algorithm: textOf(row.algorithm),
    checkOption: textOf(row.checkOption),
    columns: columns.map(({ name }) => textOf(name)),
  };
}

function autoIncrement(row: Row, columns: ColumnModel[], indexes: IndexModel[]): AutoIncrementModel | undefined {
  const generated = columns.find(({ extra }) => extra.toLowerCase().includes('auto_increment'));
  if (generated === undefined) return undefined;
  return {
    column: generated.name,
    type: generated.type,
    next: textOf(row.next) || '1',
    highest: '0',
    leads: indexes.some(({ columns: [first] }) => first === generated.name),
  };
}
