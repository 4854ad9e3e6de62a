/** One place where a statement names a table. Tokens are given by their index. */
export interface TableUse {
  /** Token of the schema; -1: none is written. */
  schema: number;
  name: number;
  /** The names without quotes; `database` is the session's default schema where none is written. */
  database: string;
  table: string;
  alias: string | undefined;
  /** Offset where ` AS name` goes when the name is replaced; -1 where the grammar takes no alias. */
  aliasAt: number;
  write: boolean;
  /** LOCK TABLES: the lock type as written and the offset after it, to lock the bare shadow name as well. */
  lock: { end: number; type: string } | undefined;
}

/** A table, a derived table or WITH part, or two of one name. */
export type Visible = TableUse | 'derived' | 'ambiguous';

const fewNames = 16;

/** Names that a query block makes visible to column qualifiers, from the innermost block outwards. */
export class Scope {
  readonly parent: Scope | undefined;
  /** A table in reach is written without an alias (INSERT, DELETE): its qualifiers must follow its name. */
  bare: boolean;
  private readonly names: string[] = [];
  private readonly entries: (TableUse | 'derived')[] = [];
  private index: Map<string, Visible> | undefined;

  constructor(parent?: Scope) {
    this.parent = parent;
    this.bare = parent?.bare ?? false;
  }

  get size(): number {
    return this.names.length;
  }

  declare(name: string, entry: TableUse | 'derived'): void {
    this.names.push(name);
    this.entries.push(entry);
    this.index = undefined;
  }

  /** What this block itself says of a name. `database`: where the qualifier names one. */
  own(name: string, database?: string): Visible | undefined {
    const { names, entries } = this;
    if (names.length > fewNames && database === undefined) return this.indexed().get(name);
    let found: Visible | undefined;
    for (let at = 0; at < names.length; at += 1) {
      if (names[at] !== name) continue;
      const entry = entries[at]!;
      if (database !== undefined && (entry === 'derived' || entry.database !== database)) continue;
      if (found !== undefined) return 'ambiguous';
      found = entry;
    }
    return found;
  }

  find(name: string, database?: string): Visible | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      const found = scope.own(name, database);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Tables of the block, without derived ones. */
  tables(): TableUse[] {
    return this.entries.filter((entry): entry is TableUse => entry !== 'derived');
  }

  /** Goes through the block's own names. */
  each(visit: (name: string, entry: TableUse | 'derived') => void): void {
    for (let at = 0; at < this.names.length; at += 1) visit(this.names[at]!, this.entries[at]!);
  }

  private indexed(): Map<string, Visible> {
    if (this.index !== undefined) return this.index;
    const index = new Map<string, Visible>();
    this.each((name, entry) => index.set(name, index.has(name) ? 'ambiguous' : entry));
    this.index = index;
    return index;
  }
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
