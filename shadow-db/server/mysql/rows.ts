import { Mapping } from '../../mapping.js';
import { quoteName } from '../../names.js';
import type { ShadowRows } from '../audit.js';
import type { Db } from '../db.js';
import { inspect, type SchemaModel, type TableModel } from './inspect.js';
import { beyond, orderOf, positionList, positionOf, rowKey } from './key.js';
import type { ShadowDbOptions } from './options.js';
import { isMarked } from './range.js';

/** Hidden column of shadow tables, and variable of shadow sessions that a trigger puts into it. */
export const RUN = 'shadowline_run';
const PIECE_ROWS = 20_000;

/** A shadow table of ours with the real one that it stands for. */
export interface ShadowTable {
  /** The real table, `schema.table`. */
  table: string;
  /** `schema.table` */
  shadow: string;
  /** Quoted. */
  name: string;
  model: TableModel;
  schema: SchemaModel;
}

/** The marked tables to which real tables of class shadow are mapped, in all databases that the options name. */
export async function shadowTables(db: Db, options: ShadowDbOptions): Promise<ShadowTable[]> {
  const mapping = new Mapping(options);
  const found: ShadowTable[] = [];
  for (const database of mapping.databases) {
    const schema = await inspect(db, mapping.shadowSchemaOf(database));
    const real = schema.database === database ? schema : await inspect(db, database);
    for (const { name } of real.tables) {
      if (mapping.classOf(database, name) !== 'shadow') continue;
      const target = mapping.targetOf(database, name);
      const model = schema.tables.find((one) => one.name === target.table);
      if (model === undefined || !isMarked(model)) continue;
      const quoted = `${quoteName(target.schema)}.${quoteName(target.table)}`;
      found.push({
        table: `${database}.${name}`,
        shadow: `${target.schema}.${target.table}`,
        name: quoted,
        model,
        schema,
      });
    }
  }
  return found;
}

/** True when rows know their run: the column is there, and something fills it. */
export function knowsRun({ columns, triggers }: TableModel): boolean {
  const fills = ({ timing, event, body }: TableModel['triggers'][0]) =>
    timing === 'BEFORE' && event === 'INSERT' && new RegExp(`NEW\\.\`?${RUN}\`?\\s*=\\s*@${RUN}`, 'i').test(body);
  return columns.some(({ name }) => name === RUN) && triggers.some(fills);
}

/** Rows of the shadow tables, by run. Reads the shadow tables whole, piece by piece. */
export async function shadowRows(db: Db, options: ShadowDbOptions): Promise<ShadowRows[]> {
  const rows: ShadowRows[] = [];
  for (const table of await shadowTables(db, options)) rows.push(await rowsOf(db, table));
  return rows;
}

async function rowsOf(db: Db, { table, shadow, name, model }: ShadowTable): Promise<ShadowRows> {
  const byRun = knowsRun(model);
  const counts = new Map<string | null, number>();
  const count = async (where: string, params: string[]): Promise<void> => {
    const list = byRun ? `${quoteName(RUN)} AS run, COUNT(*) AS n` : 'COUNT(*) AS n';
    const group = byRun ? ` GROUP BY ${quoteName(RUN)}` : '';
    for (const row of await db.query(`SELECT ${list} FROM ${name}${where}${group}`, params)) {
      const run = row.run === null || row.run === undefined ? null : String(row.run);
      counts.set(run, (counts.get(run) ?? 0) + Number(row.n));
    }
  };
  const key = rowKey(model);
  if (key === undefined) await count('', []);
  else {
    let from = { sql: 'TRUE', params: [] as string[] };
    for (;;) {
      const piece = `SELECT ${positionList(key)} FROM ${name} FORCE INDEX (${quoteName(key.index)}) WHERE ${from.sql}`;
      const [end] = await db.query(`${piece} ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${PIECE_ROWS - 1}`, from.params);
      if (end === undefined) {
        await count(` WHERE ${from.sql}`, from.params);
        break;
      }
      const to = beyond(key, '<=', positionOf(key, end));
      await count(` WHERE ${from.sql} AND ${to.sql}`, [...from.params, ...to.params]);
      from = beyond(key, '>', positionOf(key, end));
    }
  }
  const total = [...counts.values()].reduce((sum, one) => sum + one, 0);
  counts.delete(null);
  return { table, shadow, total, ...(byRun && { runs: Object.fromEntries(counts) as Record<string, number> }) };
}
