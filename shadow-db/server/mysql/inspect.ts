import { quoteName } from '../../names.js';
import type { Db } from '../db.js';

export interface ColumnModel {
  name: string;
  type: string;
  nullable: boolean;
  default: string | null;
  collation: string | null;
  extra: string;
  generation: string | null;
}

export interface IndexModel {
  name: string;
  unique: boolean;
  method: string;
  /** Column names, with the prefix length where there is one: `name(10)`. */
  columns: string[];
}

export interface ForeignKeyModel {
  name: string;
  columns: string[];
  parentSchema: string;
  parent: string;
  parentColumns: string[];
  onDelete: string;
  onUpdate: string;
}

export interface TriggerModel {
  name: string;
  table: string;
  timing: string;
  event: string;
  body: string;
  sqlMode: string;
}

export interface ViewModel {
  name: string;
  definition: string;
  updatable: boolean;
}

export interface TableModel {
  name: string;
  engine: string;
  collation: string;
  comment: string;
  columns: ColumnModel[];
  primaryKey: string[];
  indexes: IndexModel[];
  foreignKeys: ForeignKeyModel[];
  checks: { name: string; clause: string }[];
  partitions: string[];
  triggers: TriggerModel[];
  /** Decimal digits, since ids may pass 2^53. `next`: AUTO_INCREMENT; `highest`: the highest id in the table, '0' if none. */
  autoIncrement?: { column: string; type: string; next: string; highest: string };
}

export interface SchemaModel {
  database: string;
  exists: boolean;
  tables: TableModel[];
  views: ViewModel[];
}

type Row = Record<string, unknown>;

/** Reads the structure of one schema from information_schema. Changes nothing. */
export async function inspect(db: Db, database: string): Promise<SchemaModel> {
  const ask = (sql: string): Promise<Row[]> => db.query(sql, [database]);
  const schemata = await ask('SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?');
  const tables = await ask(
    `SELECT TABLE_NAME AS name, ENGINE AS engine, TABLE_COLLATION AS collation, TABLE_COMMENT AS comment,
       CAST(AUTO_INCREMENT AS CHAR) AS next FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME`,
  );
  const columns = await ask(
    `SELECT TABLE_NAME AS t, COLUMN_NAME AS name, COLUMN_TYPE AS type, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS fallback,
       COLLATION_NAME AS collation, EXTRA AS extra, GENERATION_EXPRESSION AS generation FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, ORDINAL_POSITION`,
  );
  const indexes = await ask(
    `SELECT TABLE_NAME AS t, INDEX_NAME AS name, NON_UNIQUE AS nonUnique, INDEX_TYPE AS method, COLUMN_NAME AS col, SUB_PART AS part
     FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`,
  );
  const foreignKeys = await ask(
    `SELECT k.TABLE_NAME AS t, k.CONSTRAINT_NAME AS name, k.COLUMN_NAME AS col, k.REFERENCED_TABLE_SCHEMA AS ps,
       k.REFERENCED_TABLE_NAME AS p, k.REFERENCED_COLUMN_NAME AS pcol, r.DELETE_RULE AS onDelete, r.UPDATE_RULE AS onUpdate
     FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
       ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
     WHERE k.TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_NAME IS NOT NULL ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`,
  );
  const checks = await ask(
    `SELECT t.TABLE_NAME AS t, c.CONSTRAINT_NAME AS name, c.CHECK_CLAUSE AS clause
     FROM information_schema.CHECK_CONSTRAINTS c JOIN information_schema.TABLE_CONSTRAINTS t
       ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME AND t.TABLE_NAME = c.TABLE_NAME
     WHERE c.CONSTRAINT_SCHEMA = ? ORDER BY t.TABLE_NAME, c.CONSTRAINT_NAME`,
  );
  const partitions = await ask(
    `SELECT TABLE_NAME AS t, PARTITION_NAME AS name, PARTITION_METHOD AS method, PARTITION_EXPRESSION AS expression,
       PARTITION_DESCRIPTION AS description, SUBPARTITION_NAME AS sub FROM information_schema.PARTITIONS
     WHERE TABLE_SCHEMA = ? AND PARTITION_NAME IS NOT NULL ORDER BY TABLE_NAME, PARTITION_ORDINAL_POSITION, SUBPARTITION_ORDINAL_POSITION`,
  );
  const triggers = await ask(
    `SELECT EVENT_OBJECT_TABLE AS t, TRIGGER_NAME AS name, ACTION_TIMING AS timing, EVENT_MANIPULATION AS event,
       ACTION_STATEMENT AS body, SQL_MODE AS sqlMode FROM information_schema.TRIGGERS
     WHERE TRIGGER_SCHEMA = ? ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER`,
  );
  const views = await ask(
    `SELECT TABLE_NAME AS name, VIEW_DEFINITION AS definition, IS_UPDATABLE AS updatable FROM information_schema.VIEWS
     WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME`,
  );
  const of = (rows: Row[], table: string): Row[] => rows.filter((row) => row.t === table);
  const model: SchemaModel = {
    database,
    exists: schemata.length > 0,
    tables: tables.map((row) => {
      const name = text(row.name);
      const own = of(indexes, name);
      return {
        name,
        engine: text(row.engine),
        collation: text(row.collation),
        comment: text(row.comment),
        columns: of(columns, name).map(column),
        primaryKey: own.filter((index) => index.name === 'PRIMARY').map((index) => text(index.col)),
        indexes: grouped(own).map(index),
        foreignKeys: grouped(of(foreignKeys, name)).map(foreignKey),
        checks: of(checks, name).map((check) => ({ name: text(check.name), clause: text(check.clause) })),
        partitions: of(partitions, name).map((part) =>
          [part.name, part.method, part.expression, part.description, part.sub].map(text).join(' '),
        ),
        triggers: of(triggers, name).map(trigger),
      };
    }),
    views: views.map((row) => ({
      name: text(row.name),
      definition: text(row.definition),
      updatable: row.updatable === 'YES',
    })),
  };
  for (const table of model.tables) {
    const generated = table.columns.find(({ extra }) => extra.toLowerCase().includes('auto_increment'));
    if (generated === undefined) continue;
    const [found] = await db.query(
      `SELECT CAST(MAX(${quoteName(generated.name)}) AS CHAR) AS highest FROM ${quoteName(database)}.${quoteName(table.name)}`,
    );
    const next = tables.find((row) => row.name === table.name)?.next;
    table.autoIncrement = {
      column: generated.name,
      type: generated.type,
      next: text(next) || '1',
      highest: text(found?.highest) || '0',
    };
  }
  return model;
}

function text(value: unknown): string {
  if (value === null || value === undefined) return '';
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value);
}

function orNull(value: unknown): string | null {
  return value === null || value === undefined ? null : text(value);
}

function column(row: Row): ColumnModel {
  return {
    name: text(row.name),
    type: text(row.type),
    nullable: row.nullable === 'YES',
    default: orNull(row.fallback),
    collation: orNull(row.collation),
    extra: text(row.extra),
    generation: orNull(row.generation) || null,
  };
}

function grouped(rows: Row[]): [Row, ...Row[]][] {
  const groups = new Map<string, [Row, ...Row[]]>();
  for (const row of rows) {
    const group = groups.get(text(row.name));
    if (group) group.push(row);
    else groups.set(text(row.name), [row]);
  }
  return [...groups.values()];
}

function index(rows: [Row, ...Row[]]): IndexModel {
  return {
    name: text(rows[0].name),
    unique: Number(rows[0].nonUnique) === 0,
    method: text(rows[0].method),
    columns: rows.map((row) => (row.part === null ? text(row.col) : `${text(row.col)}(${text(row.part)})`)),
  };
}

function foreignKey(rows: [Row, ...Row[]]): ForeignKeyModel {
  return {
    name: text(rows[0].name),
    columns: rows.map((row) => text(row.col)),
    parentSchema: text(rows[0].ps),
    parent: text(rows[0].p),
    parentColumns: rows.map((row) => text(row.pcol)),
    onDelete: text(rows[0].onDelete),
    onUpdate: text(rows[0].onUpdate),
  };
}

function trigger(row: Row): TriggerModel {
  return {
    name: text(row.name),
    table: text(row.t),
    timing: text(row.timing),
    event: text(row.event),
    body: text(row.body),
    sqlMode: text(row.sqlMode),
  };
}
