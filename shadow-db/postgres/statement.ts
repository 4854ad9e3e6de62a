import { Refusal } from '../codes.js';
import type { Verb } from '../rewriter.js';
import {
  builtinFunctions,
  builtinOperators,
  builtinTypes,
  functionRefusal,
  nodesSince,
  oldestVersion,
  typesSince,
} from './functions.js';
import { grammar } from './grammar.js';
import type { Tree } from './parser.js';
import { mayBeSet } from './settings.js';
import { checkIsolation } from './utility.js';

/** One place where a statement names a table. Offsets (`at`) are bytes of UTF-8, as the parser gives them. */
export interface TableUse {
  catalog?: string;
  schema?: string;
  table: string;
  alias?: string;
  /** Of the first part of the name. */
  at: number;
  write: boolean;
  /** TABLE name: takes no alias. */
  tableCommand: boolean;
  /** LOCK and TRUNCATE take no alias and need none. */
  bare: boolean;
  /** FOR UPDATE, FOR SHARE, LOCK TABLE. */
  locked: boolean;
}

/** `schema.table.column`, `schema.table.*`, or the same with the database in front. */
export interface QualifiedColumn {
  schema: string;
  table: string;
  parts: number;
  at: number;
}

export interface Statement {
  verb: Verb;
  uses: TableUse[];
  columns: QualifiedColumn[];
  /** Names that FROM items have other than by being a table without an alias. */
  aliases: Set<string>;
  /** ON CONFLICT ON CONSTRAINT: names of constraints; `at` is where that ON stands. */
  constraints: { name: string; at: number }[];
}

export interface CollectOptions {
  truncate: boolean;
  /** Functions, operators and types beyond the built-in ones that the configuration vouches for: `name` or `schema.name`. */
  functions: ReadonlySet<string>;
  types: ReadonlySet<string>;
  settings: readonly string[];
  /** Some tables are of class real-read. */
  readsReal: boolean;
  /** False when another schema comes before pg_catalog: then a plain name may not be the built-in one. */
  catalogFirst: boolean;
  /** Major version of the server. */
  serverVersion: number;
  /** The server's encoding is known to be UTF-8. */
  utf8: boolean;
}

/** WITH names by scope: they hide tables without a schema. Of `names`, with their places in the clause, the first `seen` are visible. */
interface Scope {
  readonly outer: Scope | undefined;
  readonly names: ReadonlyMap<string, number>;
  readonly seen: number;
}

const verbs: Readonly<Record<string, Verb>> = {
  SelectStmt: 'select',
  InsertStmt: 'insert',
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  MergeStmt: 'merge',
  ExplainStmt: 'explain',
  TruncateStmt: 'truncate',
  LockStmt: 'lock',
  DeclareCursorStmt: 'other',
};

/** True for the statements that `collect` reads. */
export function hasTables(type: string): boolean {
  return Object.hasOwn(verbs, type);
}

/** Finds every table, qualified column, function and type of one statement's tree. Throws Refusal for what may not be. */
export function collect(type: string, tree: Tree, options: CollectOptions): Statement {
  const collector = new Collector(options);
  collector.node(type, tree, undefined);
  return { verb: verbs[type] ?? 'other', ...collector.found };
}

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): readonly Tree[] => (Array.isArray(value) ? value : []) as readonly Tree[];
const at = (tree: Tree): number => (typeof tree.location === 'number' && tree.location > 0 ? tree.location : 0);
/** The words of a list of String nodes. */
const strings = (value: unknown): string[] =>
  list(value).map((entry) => (isTree(entry.String) ? String(entry.String.sval ?? '') : ''));
/** As the configuration writes it; a part with a dot in it is `"so.written"`, which no configuration means. */
const dotted = (names: readonly string[]): string =>
  names.some((name) => name.includes('.')) ? names.map((name) => `"${name}"`).join('.') : names.join('.');

class Collector {
  readonly found: Omit<Statement, 'verb'> = { uses: [], columns: [], aliases: new Set(), constraints: [] };
  private readonly options: CollectOptions;
  /** Which use a RangeVar became, for locking clauses. */
  private readonly useOf = new Map<Tree, TableUse>();
  /** The queries below FROM of which everything is locked. */
  private readonly locked = new Set<Tree>();
  /** The RangeVars of TABLE commands. */
  private readonly tableCommands = new Set<Tree>();
  /** Types of casts that may name regclass. */
  private readonly regclassOfColumn = new Set<Tree>();

  constructor(options: CollectOptions) {
    this.options = options;
  }

  /** A node of a known type. */
  node(type: string, tree: Tree, scope: Scope | undefined): void {
    const fields = grammar.get(type);
    if (fields === undefined) throw new Refusal('SQL_NOT_UNDERSTOOD', `${type} is not known`, at(tree));
    this.check(type, tree);
    if (type === 'RangeVar') {
      this.table(tree, scope, {});
      return;
    }
    if (type === 'WithClause') throw new Refusal('SQL_NOT_UNDERSTOOD', 'WITH in a strange place', at(tree));
    const inner = isTree(tree.withClause) ? this.with(tree.withClause, scope) : scope;
    for (const field in tree) {
      const of = fields.get(field);
      if (of === undefined) throw new Refusal('SQL_NOT_UNDERSTOOD', `${type} has "${field}"`, at(tree));
      if (field === 'withClause' || this.special(type, field, tree)) continue;
      this.value(of, tree[field], inner);
    }
    if (type === 'SelectStmt') this.locks(tree);
  }

  private value(of: string, value: unknown, scope: Scope | undefined): void {
    if (Array.isArray(value)) {
      for (const entry of value) this.value('', entry, scope);
    } else if (isTree(value)) {
      // an empty object is a NULL in a list
      for (const type in of === '' ? value : { [of]: value }) {
        const inner = of === '' ? value[type] : value;
        if (!isTree(inner)) throw new Refusal('SQL_NOT_UNDERSTOOD', `"${type}" is no node`, 0);
        this.node(type, inner, scope);
      }
    }
  }

  /** Fields that have a rule of their own; true when nothing is left to do for them. */
  private special(type: string, field: string, tree: Tree): boolean {
    if (field === 'relation' && isTree(tree.relation) && type !== 'RangeTableSample') {
      // WITH names do not hide the target of a write: measured
      this.target(tree.relation, {});
      return true;
    }
    if (field === 'relations' && (type === 'TruncateStmt' || type === 'LockStmt')) {
      for (const entry of list(tree.relations)) {
        if (!isTree(entry.RangeVar)) throw new Refusal('SQL_NOT_UNDERSTOOD', 'no table', 0);
        this.target(entry.RangeVar, { bare: true, write: type === 'TruncateStmt', locked: type === 'LockStmt' });
      }
      return true;
    }
    if (field === 'fromClause' && type === 'SelectStmt' && isTableCommand(tree)) {
      const [first] = list(tree.fromClause);
      if (isTree(first?.RangeVar)) this.tableCommands.add(first.RangeVar);
    }
    // each column of (a, b) = (…) repeats the source
    if (type === 'MultiAssignRef' && field === 'source') return tree.colno !== 1;
    // names of FROM items, not tables
    return type === 'LockingClause' && field === 'lockedRels';
  }

  private target(tree: Tree, extra: Partial<TableUse>): void {
    this.checkFields('RangeVar', tree);
    this.table(tree, undefined, { write: true, ...extra });
  }

  private checkFields(type: string, tree: Tree): void {
    const fields = grammar.get(type);
    for (const field in tree) {
      if (!fields?.has(field)) throw new Refusal('SQL_NOT_UNDERSTOOD', `${type} has "${field}"`, at(tree));
    }
  }

  private table(tree: Tree, scope: Scope | undefined, extra: Partial<TableUse>): void {
    this.checkFields('RangeVar', tree);
    const { catalogname, schemaname, relname, alias } = tree;
    if (typeof relname !== 'string') throw new Refusal('SQL_NOT_UNDERSTOOD', 'a table without a name', at(tree));
    const name = isTree(alias) ? String(alias.aliasname ?? '') : undefined;
    if (name !== undefined) this.found.aliases.add(name);
    if (schemaname === undefined && hidden(scope, relname)) {
      this.found.aliases.add(name ?? relname);
      return;
    }
    const use: TableUse = {
      ...(typeof catalogname === 'string' ? { catalog: catalogname } : {}),
      ...(typeof schemaname === 'string' ? { schema: schemaname } : {}),
      table: relname,
      ...(name === undefined ? {} : { alias: name }),
      at: at(tree),
      write: false,
      tableCommand: this.tableCommands.has(tree),
      bare: false,
      locked: false,
      ...extra,
    };
    this.useOf.set(tree, use);
    this.found.uses.push(use);
  }

  /** Walks the parts of a WITH clause, each in the scope that it sees; gives the scope of the statement below. */
  private with(clause: Tree, outer: Scope | undefined): Scope {
    this.checkFields('WithClause', clause);
    const parts = list(clause.ctes).map((entry) => {
      const part = entry.CommonTableExpr;
      if (!isTree(part)) throw new Refusal('SQL_NOT_UNDERSTOOD', 'a WITH part of an unknown kind', at(clause));
      return part;
    });
    const names = new Map<string, number>();
    for (const [index, part] of parts.entries()) {
      const name = String(part.ctename);
      this.withName(name, part);
      // the first one hides; a second of the same name is an error on the server
      if (!names.has(name)) names.set(name, index);
    }
    for (const [index, part] of parts.entries()) {
      this.node('CommonTableExpr', part, { outer, names, seen: clause.recursive === true ? parts.length : index });
    }
    return { outer, names, seen: parts.length };
  }

  /** Where the encoding has one byte a character, the server folds É and cuts names elsewhere: it may not find the name that is meant. */
  private withName(name: string, part: Tree): void {
    if (this.options.utf8 || !/[^\0-\x7f]/.test(name)) return;
    if (name === name.toLowerCase() && Buffer.byteLength(name) < 60) return;
    throw new Refusal('SQL_CHARACTER', `a WITH part is called "${name}", in an encoding that is not known`, at(part));
  }

  /** FOR UPDATE and its like lock the rows of every table below FROM, or of those that OF names. */
  private locks(select: Tree): void {
    const clauses = list(select.lockingClause);
    if (clauses.length === 0) return;
    const items = new Map<unknown, Tree[]>();
    for (const item of list(select.fromClause).flatMap(flattened)) {
      const same = items.get(nameOf(item));
      if (same === undefined) items.set(nameOf(item), [item]);
      else same.push(item);
    }
    for (const entry of clauses) {
      if (!isTree(entry.LockingClause)) throw new Refusal('SQL_NOT_UNDERSTOOD', 'a lock of an unknown kind', 0);
      const names = new Set(
        list(entry.LockingClause.lockedRels).map((one) => isTree(one.RangeVar) && one.RangeVar.relname),
      );
      const named = [...names].map((name) => items.get(name) ?? []);
      // a name that is not found, or found twice, is an error on the server; until then everything counts as locked
      if (names.size === 0 || named.some(({ length }) => length !== 1)) {
        this.lockSelect(select);
        return;
      }
      for (const [item] of named) if (item !== undefined) this.lock(item);
    }
  }

  private lock(item: Tree): void {
    const [type, tree] = Object.entries(item)[0] ?? [];
    if (!isTree(tree)) return;
    if (type === 'RangeVar') {
      const use = this.useOf.get(tree);
      if (use !== undefined) use.locked = true;
    } else if (type === 'RangeTableSample' && isTree(tree.relation)) {
      this.lock(tree.relation);
    } else if (type === 'RangeSubselect' && isTree(tree.subquery)) {
      this.lockSelect(tree.subquery.SelectStmt);
    }
  }

  private lockSelect(select: unknown): void {
    if (!isTree(select) || this.locked.has(select)) return;
    this.locked.add(select);
    for (const item of list(select.fromClause).flatMap(flattened)) this.lock(item);
    this.lockSelect(select.larg);
    this.lockSelect(select.rarg);
  }

  private check(type: string, tree: Tree): void {
    const since = nodesSince.get(type) ?? oldestVersion;
    if (since > this.options.serverVersion) this.tooNew(type, since, tree);
    switch (type) {
      case 'SelectStmt':
        if (tree.intoClause !== undefined) throw new Refusal('SQL_DDL', 'SELECT INTO makes a table', 0);
        break;
      case 'ColumnRef':
        this.column(tree);
        break;
      case 'FuncCall':
        this.function(tree);
        break;
      case 'TypeCast':
        this.cast(tree);
        break;
      case 'TypeName':
        this.type(tree);
        break;
      case 'Alias':
        this.found.aliases.add(String(tree.aliasname));
        break;
      case 'ReturningOption':
        this.found.aliases.add(String(tree.value));
        break;
      case 'A_Expr':
        this.operator(tree.name, tree);
        break;
      case 'CaseExpr':
        if (tree.arg !== undefined) this.unnamedOperator('CASE', tree);
        break;
      case 'JoinExpr':
        if (tree.isNatural === true || tree.usingClause !== undefined) this.unnamedOperator('USING', tree);
        break;
      case 'SubLink':
        if (tree.subLinkType === 'ANY_SUBLINK' && tree.operName === undefined) this.unnamedOperator('IN', tree);
        this.operator(tree.operName, tree);
        break;
      case 'SortBy':
        this.operator(tree.useOp, tree);
        break;
      case 'RangeTableSample':
        if (
          !['system', 'bernoulli', 'pg_catalog.system', 'pg_catalog.bernoulli'].includes(dotted(strings(tree.method)))
        )
          throw new Refusal('SQL_FUNCTION', 'a sampling method that is not built in', at(tree));
        break;
      case 'InferClause':
        if (typeof tree.conname === 'string') this.found.constraints.push({ name: tree.conname, at: at(tree) });
        break;
      case 'TruncateStmt':
        if (!this.options.truncate) throw new Refusal('SQL_TRUNCATE', 'TRUNCATE', 0);
        if (tree.behavior === 'DROP_CASCADE')
          throw new Refusal('SQL_TRUNCATE', 'CASCADE reaches tables by foreign keys', 0);
        break;
      case 'ExplainStmt':
      case 'DeclareCursorStmt':
        this.queryOnly(tree);
        break;
    }
  }

  /** EXPLAIN also takes EXECUTE, CREATE TABLE AS and others. */
  private queryOnly(tree: Tree): void {
    const [type = ''] = isTree(tree.query) ? Object.keys(tree.query) : [];
    if (/^(?:Select|Insert|Update|Delete|Merge|DeclareCursor)Stmt$/.test(type)) return;
    throw new Refusal(type === 'ExecuteStmt' ? 'SQL_DYNAMIC' : 'SQL_DDL', `${type} inside of another statement`, 0);
  }

  private column(tree: Tree): void {
    const fields = list(tree.fields);
    if (fields.length < 3) return;
    const names = strings(fields);
    this.found.columns.push({ schema: names.at(-3)!, table: names.at(-2)!, parts: fields.length, at: at(tree) });
  }

  private function(tree: Tree): void {
    const names = strings(tree.funcname);
    const name = names.at(-1) ?? '';
    const schema = names.length > 1 ? names.slice(0, -1).join('.') : undefined;
    if (this.options.functions.has(dotted(names))) return;
    if (name === 'set_config' && (schema ?? 'pg_catalog') === 'pg_catalog' && this.options.catalogFirst) {
      const first = list(tree.args)[0]?.A_Const;
      const setting = isTree(first) && isTree(first.sval) ? String(first.sval.sval ?? '') : '';
      if (tree.func_variadic !== true && mayBeSet(setting, this.options.settings)) {
        if (this.options.readsReal) checkIsolation(setting, list(tree.args)[1]);
        return;
      }
    }
    const isBuiltIn = schema === 'pg_catalog' || (schema === undefined && this.options.catalogFirst);
    const since = isBuiltIn ? builtinFunctions.get(name) : undefined;
    if (since === undefined) {
      throw new Refusal(
        isBuiltIn ? functionRefusal(name) : 'SQL_FUNCTION',
        `the function ${names.join('.')}`,
        at(tree),
      );
    }
    if (since > this.options.serverVersion) this.tooNew(`the function ${name}`, since, tree);
  }

  /** `tableoid::regclass` gives a name; `'orders'::regclass` would take one that cannot be redirected. */
  private cast(tree: Tree): void {
    if (!isTree(tree.typeName) || !isTree(tree.arg)) return;
    const names = strings(tree.typeName.names);
    if (names.at(-1) !== 'regclass' || (names.length > 1 && names[0] !== 'pg_catalog')) return;
    if (tree.arg.ColumnRef === undefined) {
      throw new Refusal('SQL_NAME_IN_STRING', 'a cast to regclass', at(tree.typeName));
    }
    this.regclassOfColumn.add(tree.typeName);
  }

  private type(tree: Tree): void {
    const names = strings(tree.names);
    const name = names.at(-1) ?? '';
    if (this.regclassOfColumn.has(tree) || this.options.types.has(dotted(names))) return;
    const isBuiltIn = names.length === 1 ? this.options.catalogFirst : names.length === 2 && names[0] === 'pg_catalog';
    const since = typesSince.get(name) ?? oldestVersion;
    if (isBuiltIn && builtinTypes.has(name) && since <= this.options.serverVersion) return;
    const code = /^reg(?:class|proc|procedure|oper|operator)$/.test(name) ? 'SQL_NAME_IN_STRING' : 'SQL_TYPE';
    throw new Refusal(code, `the type ${names.join('.')}`, at(tree));
  }

  /** The server looks = and its like up by the search path here too, where no operator is written. */
  private unnamedOperator(where: string, tree: Tree): void {
    if (this.options.catalogFirst) return;
    throw new Refusal('SQL_FUNCTION', `the operator of ${where}, while pg_catalog is not searched first`, at(tree));
  }

  private tooNew(what: string, since: number, tree: Tree): never {
    const { serverVersion } = this.options;
    const detail = `${what} is built in since PostgreSQL ${since}, and the server may be ${serverVersion}`;
    throw new Refusal('SQL_FUNCTION', detail, at(tree));
  }

  private operator(value: unknown, tree: Tree): void {
    if (typeof tree.kind === 'string' && tree.kind.includes('BETWEEN')) {
      this.unnamedOperator('BETWEEN', tree);
      return;
    }
    const names = strings(value);
    const name = names.at(-1);
    if (name === undefined || this.options.functions.has(dotted(names))) return;
    const isBuiltIn = names.length === 1 ? this.options.catalogFirst : names.length === 2 && names[0] === 'pg_catalog';
    if (isBuiltIn && builtinOperators.has(name)) return;
    throw new Refusal('SQL_FUNCTION', `the operator ${names.join('.')}`, at(tree));
  }
}

function hidden(scope: Scope | undefined, name: string): boolean {
  for (let one = scope; one !== undefined; one = one.outer) {
    const index = one.names.get(name);
    if (index !== undefined && index < one.seen) return true;
  }
  return false;
}

/** `TABLE name` is parsed to `SELECT *` whose star stands nowhere. */
function isTableCommand(select: Tree): boolean {
  const [target, ...others] = list(select.targetList);
  if (others.length > 0 || !isTree(target?.ResTarget) || target.ResTarget.location !== -1) return false;
  const value = target.ResTarget.val;
  return isTree(value) && isTree(value.ColumnRef) && value.ColumnRef.location === -1;
}

/** The items of a join. */
function flattened(item: Tree): Tree[] {
  const join = item.JoinExpr;
  if (!isTree(join)) return [item];
  return [join.larg, join.rarg].flatMap((side) => (isTree(side) ? flattened(side) : []));
}

function nameOf(item: Tree): unknown {
  const [tree] = Object.values(item);
  if (!isTree(tree)) return undefined;
  if (isTree(tree.alias)) return tree.alias.aliasname;
  return isTree(tree.relation) ? nameOf(tree.relation) : tree.relname;
}
