/** The SQL text of seeding for MySQL and MariaDB. Pure. */
import { quoteName } from '../../names.js';
import { quoteText } from '../db.js';
import type { ColumnModel } from '../mysql/inspect.js';
import type { Edge } from './graph.js';
import type { CopiedColumn, SeedTable, TableName } from './plan.js';

const numberType = /^(?:tinyint|smallint|mediumint|int|integer|bigint|decimal|numeric|double)\b/i;
const bitsType = /^(?:bit|enum|set)\b/i;
const plainTextType = /^(?:date|datetime|timestamp|time|year|uuid|inet4|inet6)\b/i;
/** What such an expression gives: safe to stand in a statement. Checked before a stored position is used again. */
export const literalPattern = /^(?:NULL|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|'[\d:. a-f-]*'|(?:_[a-z0-9]+ )?x'[0-9A-F]*')$/i;

export function named({ schema, table }: TableName): string {
  return `${quoteName(schema)}.${quoteName(table)}`;
}

/**
 * An expression that gives the value as a literal, exact to the bit and whatever the driver makes of types: numbers and times as text,
 * everything else as hexadecimal bytes. FLOAT goes through DOUBLE, since its own text is rounded to six digits.
 */
export function literalOf({ type, collation }: ColumnModel, value: string, forComparing = false): string {
  if (/^float\b/i.test(type)) return `CAST(CAST(${value} AS DOUBLE) AS CHAR)`;
  if (numberType.test(type)) return `CAST(${value} AS CHAR)`;
  if (bitsType.test(type)) return `CAST(CAST(${value} AS UNSIGNED) AS CHAR)`;
  if (plainTextType.test(type)) return `CONCAT('''', CAST(${value} AS CHAR), '''')`;
  // MySQL's own JSON type takes no binary text
  if (/^json\b/i.test(type)) return `CONCAT('_utf8mb4 x''', HEX(CAST(${value} AS CHAR)), '''')`;
  // compared without its character set a text would be compared as bytes, and without the index
  const introducer = forComparing && collation !== null && collation !== 'binary' ? `_${collation.split('_')[0]} ` : '';
  return `CONCAT('${introducer}x''', HEX(${value}), '''')`;
}

function keyLiterals(columns: readonly ColumnModel[], qualifier = ''): string {
  return columns
    .map((column, at) => `${literalOf(column, qualifier + quoteName(column.name), true)} AS k${at}`)
    .join(', ');
}

function keyNames(columns: readonly ColumnModel[], qualifier = ''): string {
  return columns.map(({ name }) => qualifier + quoteName(name)).join(', ');
}

/** Rows after a position in the order of the key. */
export function afterCondition(columns: readonly ColumnModel[], position: readonly string[], qualifier = ''): string {
  return beyond(columns, position, qualifier, '>', '>');
}

/** Rows up to a position, with it. */
export function uptoCondition(columns: readonly ColumnModel[], position: readonly string[], qualifier = ''): string {
  return beyond(columns, position, qualifier, '<', '<=');
}

/** Row constructors are no ranges for the optimizer; written out, the first column is one. */
function beyond(
  columns: readonly ColumnModel[],
  position: readonly string[],
  qualifier: string,
  strict: string,
  last: string,
): string {
  const name = qualifier + quoteName(columns[0]!.name);
  if (columns.length === 1) return `${name} ${last} ${position[0]}`;
  const rest = beyond(columns.slice(1), position.slice(1), qualifier, strict, last);
  return `${name} ${strict}= ${position[0]} AND (${name} ${strict} ${position[0]} OR (${rest}))`;
}

export function inKeys(
  columns: readonly { name: string }[],
  keys: readonly (readonly string[])[],
  qualifier = '',
): string {
  const names = columns.map(({ name }) => qualifier + quoteName(name));
  if (names.length === 1) return `${names[0]} IN (${keys.map(([key]) => key).join(', ')})`;
  const one = (key: readonly string[]): string =>
    `(${names.map((name, at) => `${name} = ${key[at] ?? '…'}`).join(' AND ')})`;
  return `(${keys.map(one).join(' OR ')})`;
}

/** Between 0 and 2^32, spread evenly, the same for the same key on every server. */
function hashOf(columns: readonly ColumnModel[]): string {
  const whole = `CONCAT_WS('|', ${columns.map(({ name }) => `CAST(${quoteName(name)} AS CHAR)`).join(', ')})`;
  return `CAST(CONV(LEFT(SHA2(${whole}, 256), 8), 16, 10) AS UNSIGNED)`;
}

function byKey(keyIndex: string | undefined): string {
  return keyIndex === undefined ? '' : ` FORCE INDEX (${quoteName(keyIndex)})`;
}

/** The key of the row that ends a chunk of so many rows. */
export function chunkEnd(
  table: TableName,
  { keyColumns, keyIndex }: SeedTable,
  after: readonly string[] | undefined,
  rows: number,
): string {
  const where = after === undefined ? '' : ` WHERE ${afterCondition(keyColumns, after)}`;
  return `SELECT ${keyLiterals(keyColumns)} FROM ${named(table)}${byKey(keyIndex)}${where} ORDER BY ${keyNames(keyColumns)} LIMIT 1 OFFSET ${rows - 1}`;
}

/** @param upto undefined: to the end */
export function rangeCondition(
  keyColumns: readonly ColumnModel[],
  after: readonly string[] | undefined,
  upto: readonly string[] | undefined,
  where?: string,
  qualifier = '',
): string {
  const parts = [
    ...(after === undefined ? [] : [`(${afterCondition(keyColumns, after, qualifier)})`]),
    ...(upto === undefined ? [] : [`(${uptoCondition(keyColumns, upto, qualifier)})`]),
    ...(where === undefined ? [] : [`(${where})`]),
  ];
  return parts.length === 0 ? 'TRUE' : parts.join(' AND ');
}

export function shownCondition(table: SeedTable): string {
  if (table.chosen !== undefined) return inKeys(table.keyColumns, [table.keyColumns.map(() => '{keys}')]);
  const { keyColumns, where } = table;
  if (keyColumns.length === 0) return where === undefined ? 'TRUE' : `(${where})`;
  return rangeCondition(
    keyColumns,
    keyColumns.map(() => '{after}'),
    keyColumns.map(() => '{upto}'),
    where,
  );
}

/** @param threshold rows with a smaller hash; undefined: all, unless the table has a share of its own */
export function chooseRoots(
  table: SeedTable,
  after: readonly string[] | undefined,
  upto: readonly string[] | undefined,
  threshold: number | undefined,
): string {
  const { keyColumns, where, sample } = table;
  const limit = threshold ?? (sample?.kind === 'share' ? sample.threshold : undefined);
  const hash = hashOf(keyColumns);
  const position = (one: readonly string[] | undefined): readonly string[] | undefined =>
    one && keyColumns.map((_, at) => one[at] ?? one[0]!);
  const range = rangeCondition(keyColumns, position(after), position(upto), where);
  const h = sample === undefined ? '' : `, CAST(${hash} AS CHAR) AS h`;
  return `SELECT ${keyLiterals(keyColumns)}${h} FROM ${named(table.real)}${byKey(table.keyIndex)} WHERE ${range}${limit === undefined ? '' : ` AND ${hash} < ${limit}`}`;
}

function isKeyOf(table: SeedTable, columns: readonly string[]): boolean {
  return table.keyColumns.length === columns.length && table.keyColumns.every(({ name }) => columns.includes(name));
}

/** Children of chosen parents, in pages: a single parent may have very many. */
export function chooseChildren(
  edge: Edge,
  child: SeedTable,
  parent: SeedTable,
  keys: readonly (readonly string[])[],
  after: readonly string[] | undefined,
  rows: number,
): string {
  const page = after === undefined ? '' : ` AND (${afterCondition(child.keyColumns, after, 'c.')})`;
  const tail = `${page} ORDER BY ${keyNames(child.keyColumns, 'c.')} LIMIT ${rows}`;
  const select = `SELECT ${keyLiterals(child.keyColumns, 'c.')} FROM ${named(child.real)} AS c`;
  if (isKeyOf(parent, edge.parentColumns)) {
    const names = parent.keyColumns.map(({ name }) => ({ name: edge.columns[edge.parentColumns.indexOf(name)]! }));
    return `${select} WHERE ${inKeys(names, keys, 'c.')}${tail}`;
  }
  return `${select} JOIN ${named(parent.real)} AS p ON ${joined(edge)} WHERE ${inKeys(parent.keyColumns, keys, 'p.')}${tail}`;
}

/** Parents of chosen children; joined, so that only rows that exist are chosen. */
export function chooseParents(
  edge: Edge,
  child: SeedTable,
  parent: SeedTable,
  keys: readonly (readonly string[])[],
): string {
  return (
    `SELECT DISTINCT ${keyLiterals(parent.keyColumns, 'p.')} FROM ${named(child.real)} AS c ` +
    `JOIN ${named(parent.real)} AS p ON ${joined(edge)} WHERE ${inKeys(child.keyColumns, keys, 'c.')}`
  );
}

function joined({ columns, parentColumns }: Edge): string {
  return columns.map((column, at) => `c.${quoteName(column)} = p.${quoteName(parentColumns[at]!)}`).join(' AND ');
}

/** Plain columns first, masked ones behind them. */
function inOrder(columns: readonly CopiedColumn[]): CopiedColumn[] {
  return [
    ...columns.filter(({ change }) => change.kind !== 'mask'),
    ...columns.filter(({ change }) => change.kind === 'mask'),
  ];
}

function valueText({ model, change }: CopiedColumn): string {
  if (change.kind === 'set') return typeof change.value === 'string' ? quoteText(change.value) : String(change.value);
  const name = quoteName(model.name);
  if (change.kind !== 'shift') return name;
  return change.by.startsWith('-') ? `${name} - ${change.by.slice(1)}` : `${name} + ${change.by}`;
}

function columnList(columns: readonly CopiedColumn[]): string {
  return inOrder(columns)
    .map(({ model }) => quoteName(model.name))
    .join(', ');
}

/** Data that stays on the server. */
export function insertSelect(table: SeedTable, condition: string): string {
  const values = inOrder(table.columns).map(valueText).join(', ');
  return `INSERT INTO ${named(table.target)} (${columnList(table.columns)}) SELECT ${values} FROM ${named(table.real)}${byKey(table.keyIndex)} WHERE ${condition}`;
}

/** `v`: the plain columns as literals; `m0`, `m1`, …: what is to be masked, numbers as they are and texts as bytes of UTF-8. */
export function selectRows(table: SeedTable, condition: string): string {
  const literals = table.columns
    .filter(({ change }) => change.kind !== 'mask')
    .map((column) => {
      if (column.change.kind === 'set') return quoteText(valueText(column));
      const literal = literalOf(column.model, valueText(column));
      // not IFNULL: a text that does not fit into a packet is NULL as well, and must not pass for one
      return column.model.nullable ? `IF(${quoteName(column.model.name)} IS NULL, 'NULL', ${literal})` : literal;
    });
  const plain = literals.length === 0 ? "''" : `CONCAT(${literals.join(", ',', ")})`;
  const masked = table.columns
    .filter(({ change }) => change.kind === 'mask')
    .map(({ model }, at) => {
      const name = quoteName(model.name);
      const text = numberType.test(model.type) ? `CAST(${name} AS CHAR)` : `HEX(CONVERT(${name} USING utf8mb4))`;
      return `, IF(${name} IS NULL, 'NULL', ${text}) AS m${at}`;
    });
  return `SELECT ${plain} AS v${masked.join('')} FROM ${named(table.real)}${byKey(table.keyIndex)} WHERE ${condition}`;
}

export function isNumber(type: string): boolean {
  return numberType.test(type);
}

export function insertRows(table: SeedTable, rows: readonly string[]): string {
  return `INSERT INTO ${named(table.target)} (${columnList(table.columns)}) VALUES ${rows.join(',')}`;
}

/** Keys of shadow rows that refer to a shadow row that is not there. */
export function selectDangling(edge: Edge, child: SeedTable, parent: SeedTable, condition: string): string {
  const keys = child.keyColumns.length === 0 ? 'COUNT(*) AS n' : keyLiterals(child.keyColumns, 'c.');
  const filled = edge.columns.map((column) => `c.${quoteName(column)} IS NOT NULL`).join(' AND ');
  return (
    `SELECT ${keys} FROM ${named(child.target)} AS c${byKey(child.keyIndex)} LEFT JOIN ${named(parent.target)} AS p ON ${joined(edge)} ` +
    `WHERE (${condition}) AND ${filled} AND p.${quoteName(edge.parentColumns[0]!)} IS NULL`
  );
}

export function createChosen(table: SeedTable): string {
  const columns = table.keyColumns.map(({ type, collation }, at) => {
    const text = collation === null ? '' : ` CHARACTER SET ${collation.split('_')[0]} COLLATE ${collation}`;
    return `k${at} ${type}${text} NOT NULL`;
  });
  const names = table.keyColumns.map((_, at) => `k${at}`).join(', ');
  return (
    `CREATE TABLE IF NOT EXISTS ${named(table.chosen!)} (seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, h BIGINT UNSIGNED NULL, ` +
    `${columns.join(', ')}, UNIQUE KEY chosen (${names})) ENGINE=InnoDB COMMENT='shadowline'`
  );
}

/** Each key with its hash or NULL. */
export function insertChosen(table: SeedTable, keys: readonly (readonly string[])[]): string {
  const names = ['h', ...table.keyColumns.map((_, at) => `k${at}`)].join(', ');
  return `INSERT IGNORE INTO ${named(table.chosen!)} (${names}) VALUES ${keys.map((key) => `(${key.join(',')})`).join(',')}`;
}

/** The next chosen keys in the order of choosing. @param until the last `seq`; undefined: whatever there is */
export function nextChosen(table: SeedTable, afterSeq: string, until: string | undefined, rows: number): string {
  const columns = table.keyColumns.map((column, at) => `${literalOf(column, `k${at}`, true)} AS l${at}`).join(', ');
  const end = until === undefined ? '' : ` AND seq <= ${until}`;
  return `SELECT CAST(seq AS CHAR) AS s, ${columns} FROM ${named(table.chosen!)} WHERE seq > ${afterSeq}${end} ORDER BY seq LIMIT ${rows}`;
}

/** What was chosen beyond the number that is wanted: the highest hashes. */
export function dropSurplus(table: SeedTable, rows: number): string {
  const order = ['h', ...table.keyColumns.map((_, at) => `k${at}`)].map((name) => `${name} DESC`).join(', ');
  return `DELETE FROM ${named(table.chosen!)} ORDER BY ${order} LIMIT ${rows}`;
}

export function createJournal(journal: TableName): string {
  return (
    `CREATE TABLE IF NOT EXISTS ${named(journal)} (step VARCHAR(250) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, ` +
    `fingerprint CHAR(64) CHARACTER SET ascii NOT NULL, position LONGTEXT CHARACTER SET utf8mb4 NULL, row_count BIGINT NOT NULL, ` +
    `is_done TINYINT NOT NULL, at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=InnoDB COMMENT='shadowline'`
  );
}

/** What refers to nothing any more, made to refer to nothing at all. */
export function clearReference(edge: Edge, child: SeedTable, keys: readonly (readonly string[])[]): string {
  const list = edge.columns.map((column) => `${quoteName(column)} = NULL`).join(', ');
  return `UPDATE ${named(child.target)} SET ${list} WHERE ${inKeys(child.keyColumns, keys)}`;
}

export function deleteRows(table: SeedTable, keys: readonly (readonly string[])[]): string {
  return `DELETE FROM ${named(table.target)} WHERE ${inKeys(table.keyColumns, keys)}`;
}
