/** The SQL text of seeding for MySQL and MariaDB. Pure. */
import { quoteName } from '../../names.js';
import { quoteText } from '../db.js';
import { highestOf } from '../mysql/range.js';
import type { SeedTable, TableName } from './plan.js';
import type { SeedColumn } from './source-tables.js';
import { SeedSql, type TypeFacts } from './sql.js';

const numberType = /^(?:tinyint|smallint|mediumint|int|integer|bigint|decimal|numeric|double)\b/i;
const bitsType = /^(?:bit|enum|set)\b/i;
const plainTextType = /^(?:date|datetime|timestamp|time|year|uuid|inet4|inet6)\b/i;
const maskedTextType = /^(?:char|varchar|tinytext|text|mediumtext|longtext)\b/i;
const exactType = /^(?:tinyint|smallint|mediumint|int|bigint|decimal)\b/i;
const largeType = /^(?:mediumtext|longtext|mediumblob|longblob|json|geometry)\b/i;
const unusableKeyType =
  /^(?:float|double|geometry|point|json|tinytext|text|mediumtext|longtext|tinyblob|blob|mediumblob|longblob|vector)\b/i;

const types: TypeFacts = {
  isText: (type) => maskedTextType.test(type),
  lengthOf: (type) => Number(/^(?:var)?char\((\d+)\)/i.exec(type)?.[1] ?? 255),
  isExact: (type) => exactType.test(type),
  isNumber: (type) => numberType.test(type),
  highestOf,
  isLarge: (type) => largeType.test(type),
  isUnusableAsKey: (type) => unusableKeyType.test(type),
  isTransactional: (engine) => engine.toLowerCase() === 'innodb',
};

class MysqlSeedSql extends SeedSql {
  override readonly types = types;
  override readonly literalPattern =
    /^(?:NULL|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|'[\d:. a-f-]*'|(?:_[a-z0-9]+ )?x'[0-9A-F]*')$/i;

  override quote(name: string): string {
    return quoteName(name);
  }

  /**
   * Numbers and times as text, everything else as hexadecimal bytes: exact to the bit. FLOAT goes through DOUBLE, since its own text is rounded
   * to six digits.
   */
  override literalOf({ type, collation }: SeedColumn, value: string, forComparing = false): string {
    if (/^float\b/i.test(type)) return `CAST(CAST(${value} AS DOUBLE) AS CHAR)`;
    if (numberType.test(type)) return `CAST(${value} AS CHAR)`;
    if (bitsType.test(type)) return `CAST(CAST(${value} AS UNSIGNED) AS CHAR)`;
    if (plainTextType.test(type)) return `CONCAT('''', CAST(${value} AS CHAR), '''')`;
    // MySQL's own JSON type takes no binary text
    if (/^json\b/i.test(type)) return `CONCAT('_utf8mb4 x''', HEX(CAST(${value} AS CHAR)), '''')`;
    // compared without its character set a text would be compared as bytes, and without the index
    const introducer =
      forComparing && collation !== null && collation !== 'binary' ? `_${collation.split('_')[0]} ` : '';
    return `CONCAT('${introducer}x''', HEX(${value}), '''')`;
  }

  override maskedLiteral({ type }: SeedColumn, text: string): string {
    return numberType.test(type) ? text : `_utf8mb4 x'${Buffer.from(text).toString('hex')}'`;
  }

  override selectRows(table: SeedTable, condition: string): string {
    const literals = table.columns
      .filter(({ change }) => change.kind !== 'mask')
      .map((column) => {
        if (column.change.kind === 'set') return quoteText(this.valueText(column));
        const literal = this.literalOf(column.model, this.valueText(column));
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
    return `SELECT ${plain} AS v${masked.join('')} FROM ${this.named(table.real)}${this.byKey(table.keyIndex)} WHERE ${condition}`;
  }

  override createChosen(table: SeedTable): string[] {
    const columns = table.keyColumns.map(({ type, collation }, at) => {
      const text = collation === null ? '' : ` CHARACTER SET ${collation.split('_')[0]} COLLATE ${collation}`;
      return `k${at} ${type}${text} NOT NULL`;
    });
    const names = table.keyColumns.map((_, at) => `k${at}`).join(', ');
    return [
      `CREATE TABLE IF NOT EXISTS ${this.named(table.chosen!)} (seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, h BIGINT UNSIGNED NULL, ` +
        `${columns.join(', ')}, UNIQUE KEY chosen (${names})) ENGINE=InnoDB COMMENT='shadowline'`,
    ];
  }

  override insertChosen(table: SeedTable, keys: readonly (readonly string[])[]): string {
    const names = ['h', ...table.keyColumns.map((_, at) => `k${at}`)].join(', ');
    return `INSERT IGNORE INTO ${this.named(table.chosen!)} (${names}) VALUES ${keys.map((key) => `(${key.join(',')})`).join(',')}`;
  }

  override dropSurplus(table: SeedTable, rows: number): string {
    const order = ['h', ...table.keyColumns.map((_, at) => `k${at}`)].map((name) => `${name} DESC`).join(', ');
    return `DELETE FROM ${this.named(table.chosen!)} ORDER BY ${order} LIMIT ${rows}`;
  }

  override deleteSome(table: SeedTable, rows: number): string {
    return `DELETE FROM ${this.named(table.target)} LIMIT ${rows}`;
  }

  override createJournal(journal: TableName): string[] {
    return [
      `CREATE TABLE IF NOT EXISTS ${this.named(journal)} (step VARCHAR(250) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, ` +
        `fingerprint CHAR(64) CHARACTER SET ascii NOT NULL, position LONGTEXT CHARACTER SET utf8mb4 NULL, row_count BIGINT NOT NULL, ` +
        `is_done TINYINT NOT NULL, at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=InnoDB COMMENT='shadowline'`,
    ];
  }

  override findTable({ schema, table }: TableName): string {
    return `SELECT 1 AS x FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(table)}`;
  }

  override readJournal(journal: TableName): string {
    return `SELECT step, fingerprint, position, CAST(row_count AS CHAR) AS n, is_done AS done FROM ${this.named(journal)}`;
  }

  override setEntry(journal: TableName): string {
    return `REPLACE INTO ${this.named(journal)} (step, fingerprint, position, row_count, is_done) VALUES (?, ?, ?, ?, ?)`;
  }

  override removeEntry(journal: TableName): string {
    return `DELETE FROM ${this.named(journal)} WHERE step = ?`;
  }

  protected override hash(columns: readonly SeedColumn[]): string {
    const whole = `CONCAT_WS('|', ${columns.map(({ name }) => `CAST(${quoteName(name)} AS CHAR)`).join(', ')})`;
    return `CAST(CONV(LEFT(SHA2(${whole}, 256), 8), 16, 10) AS UNSIGNED)`;
  }

  protected override asText(value: string): string {
    return `CAST(${value} AS CHAR)`;
  }

  protected override fixed(value: string | number | null): string {
    return typeof value === 'string' ? quoteText(value) : String(value);
  }

  protected override byKey(keyIndex: string | undefined): string {
    return keyIndex === undefined ? '' : ` FORCE INDEX (${quoteName(keyIndex)})`;
  }
}

export const mysqlSql = new MysqlSeedSql();
