import type { TableClass } from '../../mapping.js';

/**
 * The audit of one database, the same for every dialect: what is remembered before a run (`AuditMark`), what is asked after it (`AuditSearch`) and what was found
 * (`DatabaseAudit`). All of it is plain data that survives JSON. The rule is that nothing is claimed that was not checked: what was not searched is in
 * `coverage.notSearched`, with the reason and the SQL that would do it.
 */

/** Rows of a real table that shadow traffic seems to have written. */
export interface Suspect {
  reason: 'reserved-id' | 'canary' | 'id-range';
  /** `schema.table` */
  table: string;
  columns: string[];
  count: number;
  /** Up to five primary keys (all columns as text; empty for tables without one). */
  samples: Record<string, string>[];
}

/** Integer column of a real table, with the range (inclusive) in which only shadow identities lie. */
export interface IdColumn {
  /** A table of the main database, or `schema.table`. */
  table: string;
  column: string;
  from: number | string;
  to: number | string;
}

/** By which key rows are told that were added after the mark. Its values only grow: the server itself gives them. */
export interface KeyMark {
  by: 'auto-increment' | 'timestamp';
  column: string;
  index: string;
  /** Highest value at the mark, as text; null when the table was empty. */
  after: string | null;
  /** Which counter gives its values: another one after TRUNCATE, RESTART or a table that was made anew. Absent where the server does not say. */
  counter?: string;
}

export interface TableMark {
  /** `schema.table` */
  table: string;
  tableClass: TableClass | 'unclassed';
  key: KeyMark | null;
  /** Real ids have reached the shadow range (an earlier leak moved the counter): ids tell nothing any more. */
  idsReached: boolean;
  /** Rows that looked like shadow rows before the run: they are not counted again. */
  known: { reason: Suspect['reason']; columns: string[]; count: number }[];
}

/** Rows of one shadow table. */
export interface ShadowRows {
  /** The real table, `schema.table`. */
  table: string;
  /** `schema.table` */
  shadow: string;
  total: number;
  /** By run; absent where rows do not know their run. Rows of no run (the seed) are the rest. */
  runs?: Record<string, number>;
}

export interface AuditMark {
  version: 1;
  /** ISO 8601, by the clock of the database server. */
  takenAt: string;
  tables: TableMark[];
  shadow: ShadowRows[];
}

/** For an audit without a run before it: nothing is remembered. */
export const noMark: AuditMark = { version: 1, takenAt: '', tables: [], shadow: [] };

export interface AuditIds {
  /** Further columns that hold identities; the reserved ids of shadow tables are known without. */
  idColumns?: readonly IdColumn[];
}

/** What may be read. Limits are per audit of one database. */
export interface AuditLimits {
  /** Rows read by one statement. Default 1,000. */
  chunkRows?: number;
  /** Rows read in one table. Default 1,000,000. */
  maxRows?: number;
  /** Tables without a growing key are searched whole, by their primary key, when they have at most this many rows. Default 10,000; 0: never. */
  wholeTableRows?: number;
  /** Searches the larger ones as well, in chunks by primary key and at most `rowsPerSec`. Default false. */
  fullScan?: boolean;
  /** Rate of searching tables whole. Default 50,000. */
  rowsPerSec?: number;
  /** After this, what is left counts as not searched. Default 60,000. */
  budgetMs?: number;
  /** The same as the end of the budget. */
  signal?: AbortSignal;
}

export interface AuditSearch extends AuditLimits {
  /** Text that stands in every payload of this run and nowhere else: letters and digits. Empty: ids alone are looked for. */
  canary: string;
  /** Counts the rows of this run; without, what came since the mark. */
  run?: string;
  /** Rows that agents say they committed (inserts less deletes), by shadow table (`schema.table`). */
  issued?: Readonly<Record<string, number>>;
}

export type BeginOptions = AuditIds & AuditLimits;
export type FinishOptions = AuditIds & AuditSearch;

export type NotSearchedReason =
  | 'no-growing-key'
  | 'no-key'
  | 'ids-reached'
  | 'row-limit'
  | 'budget'
  | 'no-index'
  | 'failed';

export interface SearchedTable {
  table: string;
  tableClass: TableClass | 'unclassed';
  /** whole: every row. ids: no column could hold the canary, so that its id columns were all there was to look at. none: it has not even those. */
  by: KeyMark['by'] | 'whole' | 'ids' | 'none';
  /** Rows read. */
  rows: number;
}

export interface UnsearchedTable {
  table: string;
  tableClass: TableClass | 'unclassed';
  reason: NotSearchedReason;
  /** For people. */
  detail: string;
  /** Would search what is missing, by a scan of the whole table. */
  sql: string;
}

export interface Coverage {
  /** Rows read in real tables. */
  rows: number;
  searched: SearchedTable[];
  /** A table may be in both lists: searched in part. */
  notSearched: UnsearchedTable[];
}

/** Writes issued against rows found, of one shadow table. */
export interface TableWrites {
  table: string;
  shadow: string;
  /** Null when the caller gave none. */
  issued: number | null;
  found: number;
  /** Other runs that have had rows here since the mark: what they delete and replace cannot be told from what this run does. */
  others: string[];
}

export interface DatabaseAudit {
  version: 1;
  outcome: 'clean' | 'leak' | 'incomplete';
  sentence: string;
  suspects: Suspect[];
  writes: TableWrites[];
  coverage: Coverage;
  /** Why it is not called clean although no leak was found. */
  gaps: string[];
}

/**
 * Rows that a run has in a shadow table: those that carry its name, less the rows of no run (seeds) that went since the mark, since agents count deleted
 * seeds as well. Without run names: what the table has gained.
 */
export function writesOf(before: ShadowRows | undefined, after: ShadowRows, search: AuditSearch): TableWrites {
  const { table, shadow } = after;
  const issued = search.issued === undefined ? null : (search.issued[shadow] ?? 0);
  if (after.runs === undefined || search.run === undefined) {
    return { table, shadow, issued, found: after.total - (before?.total ?? 0), others: [] };
  }
  const { run } = search;
  const own = (rows: ShadowRows | undefined): number => rows?.runs?.[run] ?? 0;
  const seeded = (rows: ShadowRows | undefined): number =>
    (rows?.total ?? 0) - Object.values(rows?.runs ?? {}).reduce((sum, count) => sum + count, 0);
  const names = new Set([...Object.keys(before?.runs ?? {}), ...Object.keys(after.runs)]);
  names.delete(run);
  const others = [...names].filter((name) => (before?.runs?.[name] ?? 0) !== (after.runs?.[name] ?? 0)).sort();
  return { table, shadow, issued, found: own(after) - own(before) + seeded(after) - seeded(before), others };
}

/**
 * Clean is said only when all that was asked for was searched: a table whose shadow was written to in this run, but whose real rows could not be
 * searched, is a gap. Tables that shadow traffic may not write to are a limit, which the sentence names.
 */
export function auditOf(suspects: Suspect[], writes: TableWrites[], coverage: Coverage): DatabaseAudit {
  const gaps = coverage.notSearched.filter(({ tableClass }) => tableClass === 'shadow').map(gapOf);
  const missing = writes.filter(({ issued, found }) => issued !== null && found < issued);
  for (const { shadow, issued, found, others } of writes) {
    if (issued === null || found === issued) continue;
    if (found > issued) gaps.push(`${shadow}: ${found - issued} more rows than issued`);
    else if (others.length > 0)
      gaps.push(`${shadow}: ${issued - found} fewer than issued; ${others.join(', ')} wrote there as well`);
  }
  const gone = missing.filter(({ others }) => others.length === 0);
  const outcome = suspects.length + gone.length > 0 ? 'leak' : gaps.length > 0 ? 'incomplete' : 'clean';
  const places = [
    ...suspects.map(({ table, count, reason }) => `${table} (${count}, ${reason})`),
    ...gone.map(({ table, issued, found }) => `${table} (${Number(issued) - found}, missing-rows)`),
  ];
  const said = {
    leak: `Shadow rows leaked: ${places.join('; ')}.`,
    incomplete: `No leak was found, but the audit is incomplete: ${gaps.join('; ')}.`,
    clean: `Nothing leaked in what was searched.`,
  };
  return {
    version: 1,
    outcome,
    sentence: `${said[outcome]} ${coverageSentence([coverage])}`,
    suspects,
    writes,
    coverage,
    gaps,
  };
}

export function gapOf({ table, detail }: UnsearchedTable): string {
  return `${table} could not be searched in full: ${detail}`;
}

/** What was searched, in one or two sentences that promise no more than that. */
export function coverageSentence(coverages: readonly Coverage[]): string {
  const rows = coverages.reduce((sum, one) => sum + one.rows, 0);
  const searched = coverages.flatMap((one) => one.searched);
  const tables = searched.filter(({ by }) => by !== 'none');
  const none = searched.filter(({ by }) => by === 'none').map(({ table }) => table);
  const missed = [...new Set(coverages.flatMap((one) => one.notSearched.map(({ table }) => table)))];
  const whole = tables.filter(({ by }) => by === 'whole').length;
  const some = (list: string[]): string => list.slice(0, 5).join(', ') + (list.length > 5 ? ', …' : '');
  return (
    `Searched were ${rows} rows of ${tables.length} real tables: those added since the run began${whole > 0 ? `, and ${whole} small tables whole` : ''}; ` +
    `an update of an older row would not be seen.${missed.length > 0 ? ` Not searched: ${some(missed)}.` : ''}` +
    (none.length > 0 ? ` Without text and ids to look for: ${some(none)}.` : '')
  );
}
