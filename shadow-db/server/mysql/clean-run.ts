import { setTimeout as sleep } from 'node:timers/promises';
import { quoteName } from '../../names.js';
import type { Position } from '../audit/dialect.js';
import { type Db, numberOf, ShadowDbError } from '../db.js';
import { runCollation, runColumn } from './definition.js';
import { among, beyond, orderOf, positionList, positionOf, rowKey } from './key.js';
import type { ForeignKeyModel } from './model.js';
import type { ShadowTable } from './rows.js';

export interface CleanProgress {
  table: string;
  /** Of all tables, so far. */
  removed: number;
  /** Of all tables; triggers may add to it. */
  of: number;
}

export interface RunRemoval {
  run: string;
  tables: readonly ShadowTable[];
  /** Rows of the run in each of them. */
  rows: readonly number[];
  chunkRows: number;
  dryRun: boolean;
  /** Guards and sends. */
  send(sql: string, params?: unknown[]): Promise<void>;
  signal?: AbortSignal;
  onProgress?: (progress: CleanProgress) => void;
}

/** A key that leads from a child to a parent, both of them shadow tables. */
interface Link {
  child: ShadowTable;
  parent: ShadowTable;
  key: ForeignKeyModel;
}

/** Lock wait timeout, deadlock: another run was in the way. */
const TRANSIENT = new Set([1205, 1213]);
const MAX_RETRIES = 5;
/** Triggers on DELETE may add rows for ever. */
const MAX_PASSES = 100;
/** A variable has the collation of its connection, which may take two runs for one. */
const sessionRun = `CONVERT(@${runColumn} USING ascii) COLLATE ${runCollation}`;
const own = `${quoteName(runColumn)} = ${sessionRun}`;

/**
 * Removes the rows of a run, children before parents, in pieces of `chunkRows` named by their keys, so that no row of another run is locked. A row to which
 * another one refers is left, whatever the key would do on DELETE: it would go with a cascade, or dangle. What refers in a circle is cut where a key
 * takes NULL. Rows that triggers add meanwhile carry the same run, and go as well.
 *
 * The condition is on the session's variable, not on a literal: sent to another session by mistake, a statement removes nothing.
 */
export async function removeRun(db: Db, removal: RunRemoval): Promise<{ statements: string[]; complete: boolean }> {
  const { run, tables, dryRun, send } = removal;
  const stopped = () => removal.signal?.aborted === true;
  const links = linksOf(tables);
  const ordered = childrenFirst(tables, links);
  const set = `SET @${runColumn} = '${run}'`;
  const statements = [
    set,
    ...ordered.filter((table) => rowsAtStart(removal, table) > 0).map((table) => deleteOf(table, links)),
  ];
  if (dryRun) return { statements, complete: true };
  await db.query(set);
  const [session] = await db.query(`SELECT @${runColumn} AS run`);
  if (String(session?.run) !== run) throw new ShadowDbError('ONE_SESSION', 'two statements went to two sessions');
  try {
    let removed = 0;
    const of = removal.rows.reduce((sum, count) => sum + count, 0);
    const pass = async (): Promise<number> => {
      let gone = 0;
      for (const table of ordered) {
        gone += await removeFrom(db, removal, table, links, (count) => {
          removed += count;
          removal.onProgress?.({ table: table.label, removed, of });
        });
      }
      return gone;
    };
    const passes = async (): Promise<void> => {
      for (let left = MAX_PASSES; left > 0 && !stopped(); left--) if ((await pass()) === 0) return;
    };
    await passes();
    for (const sql of cuts(links)) {
      if (stopped()) break;
      await patiently(() => send(sql));
      if ((await changed(db)) === 0) continue;
      statements.push(sql);
      await passes();
    }
    return { statements, complete: !stopped() };
  } finally {
    await db.query(`SET @${runColumn} = NULL`);
  }
}

function rowsAtStart({ tables, rows }: RunRemoval, table: ShadowTable): number {
  return rows[tables.indexOf(table)] ?? 0;
}

/** Removes what may go of one table, from the youngest to the oldest row; returns how many went. */
async function removeFrom(
  db: Db,
  { chunkRows, send, signal }: RunRemoval,
  table: ShadowTable,
  links: readonly Link[],
  tell: (count: number) => void,
): Promise<number> {
  const key = rowKey(table.model);
  const sql = deleteOf(table, links);
  const stopped = () => signal?.aborted === true;
  let gone = 0;
  const remove = async (text: string, params: unknown[]): Promise<number> => {
    await patiently(() => send(text, params));
    const count = await changed(db);
    gone += count;
    if (count > 0) tell(count);
    return count;
  };
  if (key === undefined) {
    while (!stopped() && (await remove(`${sql} LIMIT ${chunkRows}`, [])) > 0);
    return gone;
  }
  let last: Position | undefined;
  while (!stopped()) {
    const from = last === undefined ? { sql: 'TRUE', params: [] } : beyond(key, '<', last);
    const rows = await db.query(
      `SELECT ${positionList(key)} FROM ${table.name} FORCE INDEX (${quoteName(key.index)}) WHERE ${own} AND ${from.sql} ` +
        `ORDER BY ${orderOf(key, 'DESC')} LIMIT ${chunkRows}`,
      from.params,
    );
    const positions = rows.map((row) => positionOf(key, row));
    last = positions.at(-1);
    if (last === undefined) break;
    const these = among(key, positions);
    // rows may hang on each other in a chain: as often as one falls
    for (let left = positions.length; left > 0 && !stopped(); ) {
      const count = await remove(`${sql} AND ${these.sql}`, these.params);
      if (count === 0) break;
      left -= count;
    }
    if (positions.length < chunkRows) break;
  }
  return gone;
}

function deleteOf(table: ShadowTable, links: readonly Link[]): string {
  return `DELETE FROM ${table.name} WHERE ${[own, ...referring(table, links).map((sql) => `NOT ${sql}`)].join(' AND ')}`;
}

/** Conditions that a row of a parent has children that would go with it, or keep it. A row that refers to itself does not count. */
function referring(parent: ShadowTable, links: readonly Link[], more = ''): string[] {
  return links
    .filter((link) => link.parent === parent)
    .map(({ child, key }) => {
      // the server may set the reference of a row of this run to NULL, not that of a row of others
      const others =
        more === '' && key.onDelete === 'SET NULL' ? ` AND NOT (child.${quoteName(runColumn)} <=> ${sessionRun})` : '';
      const columns = key.columns.map(
        (column, at) => `child.${quoteName(column)} = ${parent.name}.${quoteName(key.parentColumns[at] ?? '')}`,
      );
      const identity = rowKey(parent.model)?.columns ?? [];
      const itself =
        child === parent && identity.length > 0
          ? [
              `NOT (${identity.map(({ name }) => `child.${quoteName(name)} = ${parent.name}.${quoteName(name)}`).join(' AND ')})`,
            ]
          : [];
      return `EXISTS (SELECT 1 FROM ${child.name} AS child WHERE ${[...columns, ...itself].join(' AND ')}${others}${more})`;
    });
}

function linksOf(tables: readonly ShadowTable[]): Link[] {
  return tables.flatMap((child) =>
    child.model.foreignKeys.flatMap((key) => {
      const parent = tables.find((one) => one.schema === key.parentSchema && one.model.name === key.parent);
      return parent === undefined ? [] : [{ child, parent, key }];
    }),
  );
}

/** Children before their parents, as far as there is no circle. */
function childrenFirst(tables: readonly ShadowTable[], links: readonly Link[]): ShadowTable[] {
  const ordered: ShadowTable[] = [];
  const seen = new Set<ShadowTable>();
  const visit = (table: ShadowTable): void => {
    if (seen.has(table)) return;
    seen.add(table);
    for (const { child, parent } of links) if (parent === table) visit(child);
    ordered.push(table);
  };
  for (const table of tables) visit(table);
  return ordered;
}

/** Statements that take the references of a run's rows away where keys form a circle and the columns take NULL. */
function cuts(links: readonly Link[]): string[] {
  const reaches = (from: ShadowTable, to: ShadowTable, seen = new Set<ShadowTable>()): boolean => {
    if (from === to) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    return links.some(({ child, parent }) => child === from && reaches(parent, to, seen));
  };
  return links
    .filter(({ child, parent }) => reaches(parent, child))
    .flatMap(({ child, key }) => {
      const nullable = key.columns.filter((name) =>
        child.model.columns.some((column) => column.name === name && column.nullable && column.generation === null),
      );
      const [column] = nullable;
      if (column === undefined) return [];
      return [`UPDATE ${child.name} SET ${quoteName(column)} = NULL WHERE ${own} AND ${quoteName(column)} IS NOT NULL`];
    });
}

/** Rows of a run to which rows of others refer, so that they stay. */
export async function keepingOf(
  db: Db,
  run: string,
  table: ShadowTable,
  tables: readonly ShadowTable[],
): Promise<{ rows: number; because: string }> {
  const links = linksOf(tables);
  const others = referring(table, links, ` AND NOT (child.${quoteName(runColumn)} <=> ?)`);
  if (others.length === 0) return { rows: 0, because: '' };
  const [row] = await db.query(
    `SELECT COUNT(*) AS n FROM ${table.name} WHERE ${quoteName(runColumn)} = ? AND (${others.join(' OR ')})`,
    [run, ...others.map(() => run)],
  );
  const from = links.filter(({ parent }) => parent === table).map(({ child }) => child.label);
  return {
    rows: numberOf(row?.n),
    because: `rows of other runs or of the seed in ${[...new Set(from)].join(', ')} refer to them`,
  };
}

/** A statement that met the locks of another run was rolled back as a whole: it is sent again. */
async function patiently(work: () => Promise<void>): Promise<void> {
  for (let retry = 0; ; retry++) {
    try {
      return await work();
    } catch (error) {
      if (retry >= MAX_RETRIES || !TRANSIENT.has(Number((error as { errno?: unknown }).errno))) throw error;
      await sleep(20 * 2 ** retry);
    }
  }
}

/** Rows that the statement before this one changed, in the same session. */
async function changed(db: Db): Promise<number> {
  const [row] = await db.query('SELECT ROW_COUNT() AS n');
  return Math.max(0, numberOf(row?.n));
}
