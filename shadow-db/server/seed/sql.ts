import type { Edge } from './graph.js';
import type { CopiedColumn, SeedTable, TableName } from './plan.js';
import type { SeedColumn } from './source-tables.js';

/** What seeding has to know of a server's types. */
export interface TypeFacts {
  isText(type: string): boolean;
  /** Most characters; undefined: no limit that a token meets. */
  lengthOf(type: string): number | undefined;
  /** Masked digit by digit. */
  isExact(type: string): boolean;
  /** Passes through masking as it is printed, without a character set. */
  isNumber(type: string): boolean;
  /** Highest value that ids of this type may have; undefined where there is none. */
  highestOf(type: string): bigint | undefined;
  /** One value may be larger than a chunk should be. */
  isLarge(type: string): boolean;
  /** Equality of its values is not exact, or there is none. */
  isUnusableAsKey(type: string): boolean;
  /** Chunks and progress can be committed together. */
  isTransactional(engine: string): boolean;
}

/** The SQL text of seeding. What differs between servers is abstract. Pure. */
export abstract class SeedSql {
  abstract readonly types: TypeFacts;
  /** What a literal of `literalOf` may be: safe to stand in a statement. Checked before a stored position is used again. */
  abstract readonly literalPattern: RegExp;

  abstract quote(name: string): string;
  /** An expression that gives the value as a literal, exact whatever the driver makes of types. */
  abstract literalOf(column: SeedColumn, value: string, forComparing?: boolean): string;
  /** What has passed through masking, as a literal. */
  abstract maskedLiteral(column: SeedColumn, text: string): string;
  /** `v`: the plain columns as literals; `m0`, `m1`, …: what is to be masked, numbers as they are and texts as bytes of UTF-8 in hexadecimal. */
  abstract selectRows(table: SeedTable, condition: string): string;
  abstract createChosen(table: SeedTable): string[];
  /** Each key with its hash or NULL. */
  abstract insertChosen(table: SeedTable, keys: readonly (readonly string[])[]): string;
  /** What was chosen beyond the number that is wanted: the highest hashes. */
  abstract dropSurplus(table: SeedTable, rows: number): string;
  abstract deleteSome(table: SeedTable, rows: number): string;
  abstract createJournal(journal: TableName): string[];
  /** One row when the table exists. */
  abstract findTable(table: TableName): string;
  abstract readJournal(journal: TableName): string;
  /** Parameters: step, fingerprint, position, rows, whether it is done as 0 or 1. */
  abstract setEntry(journal: TableName): string;
  /** Parameter: step. */
  abstract removeEntry(journal: TableName): string;

  /** Between 0 and 2^32, spread evenly, the same for the same key on every server. */
  protected abstract hash(columns: readonly SeedColumn[]): string;
  protected abstract asText(value: string): string;
  protected abstract fixed(value: string | number | null): string;
  protected abstract byKey(keyIndex: string | undefined): string;
  /** Between the list of columns and the rows. */
  protected readonly overriding: string = '';

  named({ schema, table }: TableName): string {
    return `${this.quote(schema)}.${this.quote(table)}`;
  }

  protected keyLiterals(columns: readonly SeedColumn[], qualifier = ''): string {
    return columns
      .map((column, at) => `${this.literalOf(column, qualifier + this.quote(column.name), true)} AS k${at}`)
      .join(', ');
  }

  protected keyNames(columns: readonly SeedColumn[], qualifier = ''): string {
    return columns.map(({ name }) => qualifier + this.quote(name)).join(', ');
  }

  protected orderOf(_table: TableName, columns: readonly SeedColumn[]): string {
    return this.keyNames(columns);
  }

  /** Rows after a position in the order of the key. */
  afterCondition(columns: readonly SeedColumn[], position: readonly string[], qualifier = ''): string {
    return this.beyond(columns, position, qualifier, '>', '>');
  }

  /** Rows up to a position, with it. */
  uptoCondition(columns: readonly SeedColumn[], position: readonly string[], qualifier = ''): string {
    return this.beyond(columns, position, qualifier, '<', '<=');
  }

  /** Row constructors are no ranges for the optimizer; written out, the first column is one. */
  protected beyond(
    columns: readonly SeedColumn[],
    position: readonly string[],
    qualifier: string,
    strict: string,
    last: string,
  ): string {
    const name = qualifier + this.quote(columns[0]!.name);
    if (columns.length === 1) return `${name} ${last} ${position[0]}`;
    const rest = this.beyond(columns.slice(1), position.slice(1), qualifier, strict, last);
    return `${name} ${strict}= ${position[0]} AND (${name} ${strict} ${position[0]} OR (${rest}))`;
  }

  inKeys(columns: readonly { name: string }[], keys: readonly (readonly string[])[], qualifier = ''): string {
    const names = columns.map(({ name }) => qualifier + this.quote(name));
    if (names.length === 1) return `${names[0]} IN (${keys.map(([key]) => key).join(', ')})`;
    const one = (key: readonly string[]): string =>
      `(${names.map((name, at) => `${name} = ${key[at] ?? '…'}`).join(' AND ')})`;
    return `(${keys.map(one).join(' OR ')})`;
  }

  /** The key of the row that ends a chunk of so many rows. */
  chunkEnd(
    table: TableName,
    { keyColumns, keyIndex }: SeedTable,
    after: readonly string[] | undefined,
    rows: number,
  ): string {
    const where = after === undefined ? '' : ` WHERE ${this.afterCondition(keyColumns, after)}`;
    return `SELECT ${this.keyLiterals(keyColumns)} FROM ${this.named(table)}${this.byKey(keyIndex)}${where} ORDER BY ${this.orderOf(table, keyColumns)} LIMIT 1 OFFSET ${rows - 1}`;
  }

  /** @param upto undefined: to the end */
  rangeCondition(
    keyColumns: readonly SeedColumn[],
    after: readonly string[] | undefined,
    upto: readonly string[] | undefined,
    where?: string,
    qualifier = '',
  ): string {
    const parts = [
      ...(after === undefined ? [] : [`(${this.afterCondition(keyColumns, after, qualifier)})`]),
      ...(upto === undefined ? [] : [`(${this.uptoCondition(keyColumns, upto, qualifier)})`]),
      ...(where === undefined ? [] : [`(${where})`]),
    ];
    return parts.length === 0 ? 'TRUE' : parts.join(' AND ');
  }

  shownCondition(table: SeedTable): string {
    if (table.chosen !== undefined) return this.inKeys(table.keyColumns, [table.keyColumns.map(() => '{keys}')]);
    const { keyColumns, where } = table;
    if (keyColumns.length === 0) return where === undefined ? 'TRUE' : `(${where})`;
    return this.rangeCondition(
      keyColumns,
      keyColumns.map(() => '{after}'),
      keyColumns.map(() => '{upto}'),
      where,
    );
  }

  /** @param threshold rows with a smaller hash; undefined: all, unless the table has a share of its own */
  chooseRoots(
    table: SeedTable,
    after: readonly string[] | undefined,
    upto: readonly string[] | undefined,
    threshold: number | undefined,
  ): string {
    const { keyColumns, where, sample } = table;
    const limit = threshold ?? (sample?.kind === 'share' ? sample.threshold : undefined);
    const hash = this.hash(keyColumns);
    const position = (one: readonly string[] | undefined): readonly string[] | undefined =>
      one && keyColumns.map((_, at) => one[at] ?? one[0]!);
    const range = this.rangeCondition(keyColumns, position(after), position(upto), where);
    const h = sample === undefined ? '' : `, ${this.asText(hash)} AS h`;
    return `SELECT ${this.keyLiterals(keyColumns)}${h} FROM ${this.named(table.real)}${this.byKey(table.keyIndex)} WHERE ${range}${limit === undefined ? '' : ` AND ${hash} < ${limit}`}`;
  }

  /** Children of chosen parents, in pages: a single parent may have very many. */
  chooseChildren(
    edge: Edge,
    child: SeedTable,
    parent: SeedTable,
    keys: readonly (readonly string[])[],
    after: readonly string[] | undefined,
    rows: number,
  ): string {
    const page = after === undefined ? '' : ` AND (${this.afterCondition(child.keyColumns, after, 'c.')})`;
    const tail = `${page} ORDER BY ${this.keyNames(child.keyColumns, 'c.')} LIMIT ${rows}`;
    const select = `SELECT ${this.keyLiterals(child.keyColumns, 'c.')} FROM ${this.named(child.real)} AS c`;
    if (isKeyOf(parent, edge.parentColumns)) {
      const names = parent.keyColumns.map(({ name }) => ({ name: edge.columns[edge.parentColumns.indexOf(name)]! }));
      return `${select} WHERE ${this.inKeys(names, keys, 'c.')}${tail}`;
    }
    return `${select} JOIN ${this.named(parent.real)} AS p ON ${this.joined(edge)} WHERE ${this.inKeys(parent.keyColumns, keys, 'p.')}${tail}`;
  }

  /** Parents of chosen children; joined, so that only rows that exist are chosen. */
  chooseParents(edge: Edge, child: SeedTable, parent: SeedTable, keys: readonly (readonly string[])[]): string {
    return (
      `SELECT DISTINCT ${this.keyLiterals(parent.keyColumns, 'p.')} FROM ${this.named(child.real)} AS c ` +
      `JOIN ${this.named(parent.real)} AS p ON ${this.joined(edge)} WHERE ${this.inKeys(child.keyColumns, keys, 'c.')}`
    );
  }

  protected joined({ columns, parentColumns }: Edge): string {
    return columns.map((column, at) => `c.${this.quote(column)} = p.${this.quote(parentColumns[at]!)}`).join(' AND ');
  }

  protected valueText({ model, change }: CopiedColumn): string {
    if (change.kind === 'set') return this.fixed(change.value);
    const name = this.quote(model.name);
    if (change.kind !== 'shift') return name;
    return change.by.startsWith('-') ? `${name} - ${change.by.slice(1)}` : `${name} + ${change.by}`;
  }

  protected columnList(columns: readonly CopiedColumn[]): string {
    return inOrder(columns)
      .map(({ model }) => this.quote(model.name))
      .join(', ');
  }

  /** Data that stays on the server. */
  insertSelect(table: SeedTable, condition: string): string {
    const values = inOrder(table.columns)
      .map((column) => this.valueText(column))
      .join(', ');
    return `INSERT INTO ${this.named(table.target)} (${this.columnList(table.columns)})${this.overriding} SELECT ${values} FROM ${this.named(table.real)}${this.byKey(table.keyIndex)} WHERE ${condition}`;
  }

  insertRows(table: SeedTable, rows: readonly string[]): string {
    return `INSERT INTO ${this.named(table.target)} (${this.columnList(table.columns)})${this.overriding} VALUES ${rows.join(',')}`;
  }

  /** Keys of shadow rows that refer to a shadow row that is not there. */
  selectDangling(edge: Edge, child: SeedTable, parent: SeedTable, condition: string): string {
    const keys = child.keyColumns.length === 0 ? 'COUNT(*) AS n' : this.keyLiterals(child.keyColumns, 'c.');
    const filled = edge.columns.map((column) => `c.${this.quote(column)} IS NOT NULL`).join(' AND ');
    return (
      `SELECT ${keys} FROM ${this.named(child.target)} AS c${this.byKey(child.keyIndex)} LEFT JOIN ${this.named(parent.target)} AS p ON ${this.joined(edge)} ` +
      `WHERE (${condition}) AND ${filled} AND p.${this.quote(edge.parentColumns[0]!)} IS NULL`
    );
  }

  /** The next chosen keys in the order of choosing. @param until the last `seq`; undefined: whatever there is */
  nextChosen(table: SeedTable, afterSeq: string, until: string | undefined, rows: number): string {
    const columns = table.keyColumns
      .map((column, at) => `${this.literalOf(column, `k${at}`, true)} AS l${at}`)
      .join(', ');
    const end = until === undefined ? '' : ` AND seq <= ${until}`;
    return `SELECT ${this.asText('seq')} AS s, ${columns} FROM ${this.named(table.chosen!)} WHERE seq > ${afterSeq}${end} ORDER BY seq LIMIT ${rows}`;
  }

  /** What refers to nothing any more, made to refer to nothing at all. */
  clearReference(edge: Edge, child: SeedTable, keys: readonly (readonly string[])[]): string {
    const list = edge.columns.map((column) => `${this.quote(column)} = NULL`).join(', ');
    return `UPDATE ${this.named(child.target)} SET ${list} WHERE ${this.inKeys(child.keyColumns, keys)}`;
  }

  deleteRows(table: SeedTable, keys: readonly (readonly string[])[]): string {
    return `DELETE FROM ${this.named(table.target)} WHERE ${this.inKeys(table.keyColumns, keys)}`;
  }
}

function isKeyOf(table: SeedTable, columns: readonly string[]): boolean {
  return table.keyColumns.length === columns.length && table.keyColumns.every(({ name }) => columns.includes(name));
}

/** Plain columns first, masked ones behind them. */
function inOrder(columns: readonly CopiedColumn[]): CopiedColumn[] {
  return [
    ...columns.filter(({ change }) => change.kind !== 'mask'),
    ...columns.filter(({ change }) => change.kind === 'mask'),
  ];
}
