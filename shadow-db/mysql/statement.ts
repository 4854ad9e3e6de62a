/** One place where a statement names a table. Tokens are given by their index. */
export interface TableUse {
  /** Token of the schema; -1: none is written. */
  schema: number;
  name: number;
  /** The names without quotes; `database` is the session's default schema where none is written. */
  database: string;
  table: string;
  /** Token of the alias; -1: none. */
  alias: number;
  /** Offset where ` AS name` goes when the name is replaced; -1 where the grammar takes no alias. */
  aliasAt: number;
  write: boolean;
  /** LOCK TABLES: the lock type as written and the offset after it, to lock the bare shadow name as well. */
  lock: { end: number; type: string } | undefined;
}

/** A table, a derived table or WITH part, or two of one name. */
export type Visible = TableUse | 'derived' | 'ambiguous';

/** Gives the name of a token, folded as the server compares it. */
export interface Namer {
  foldedName(token: number): string;
}

const fewNames = 16;

/** Names that a query block makes visible to column qualifiers. Most statements never ask for one, so names are made on demand. */
export class Scope {
  readonly parent: Scope | undefined;
  /** A table in reach is written without an alias (INSERT, DELETE): its qualifiers must follow its name. */
  bare: boolean;
  /** Tables; for derived tables and WITH parts the token of their name. */
  readonly entries: (TableUse | number)[] = [];
  private index: Map<string, Visible> | undefined;
  /** Of tables only, by schema and name. */
  private qualifiedIndex: Map<string, Visible> | undefined;

  constructor(parent: Scope | undefined, bare: boolean) {
    this.parent = parent;
    this.bare = bare;
  }

  /** What this block itself says of a name. `database`: where the qualifier names one. */
  own(namer: Namer, name: string, database?: string): Visible | undefined {
    const { entries } = this;
    if (entries.length > fewNames) {
      if (database === undefined) return this.indexed(namer).get(name);
      return this.qualified(namer).get(`${database}\0${name}`);
    }
    let found: Visible | undefined;
    for (const entry of entries) {
      if (nameOf(namer, entry) !== name) continue;
      if (database !== undefined && (typeof entry === 'number' || entry.database !== database)) continue;
      if (found !== undefined) return 'ambiguous';
      found = typeof entry === 'number' ? 'derived' : entry;
    }
    return found;
  }

  /** The same, from this block outwards. */
  find(namer: Namer, name: string, database?: string): Visible | undefined {
    const found = this.own(namer, name, database);
    return found ?? this.parent?.find(namer, name, database);
  }

  /** Tables of the block, without derived ones. */
  tables(): TableUse[] {
    return this.entries.filter((entry): entry is TableUse => typeof entry !== 'number');
  }

  private indexed(namer: Namer): Map<string, Visible> {
    if (this.index !== undefined && this.index.size > 0) return this.index;
    const index = new Map<string, Visible>();
    for (const entry of this.entries) {
      const name = nameOf(namer, entry);
      index.set(name, index.has(name) ? 'ambiguous' : typeof entry === 'number' ? 'derived' : entry);
    }
    this.index = index;
    return index;
  }

  private qualified(namer: Namer): Map<string, Visible> {
    if (this.qualifiedIndex !== undefined) return this.qualifiedIndex;
    const index = new Map<string, Visible>();
    for (const entry of this.entries) {
      if (typeof entry === 'number') continue;
      const name = `${entry.database}\0${nameOf(namer, entry)}`;
      index.set(name, index.has(name) ? 'ambiguous' : entry);
    }
    this.qualifiedIndex = index;
    return index;
  }
}

function nameOf(namer: Namer, entry: TableUse | number): string {
  if (typeof entry === 'number') return namer.foldedName(entry);
  return namer.foldedName(entry.alias === -1 ? entry.name : entry.alias);
}

/** `table.column` or `schema.table.column` in an expression; tokens by index, -1: none. */
export interface Qualifier {
  schema: number;
  table: number;
  scope: Scope;
}

/** A target of a multi-table DELETE: names an alias or a table of the references. */
export interface DeleteTarget {
  schema: number;
  table: number;
  use: TableUse;
}
