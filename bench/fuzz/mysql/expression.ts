import type { Choices } from '../choices.js';
import { between, brackets, name, type Pieces, parameterPiece, type Quoting, sql, string } from './text.js';
import { type Kind, textPool, type World } from './world.js';

/** A table, view, derived table or CTE that a query block sees. */
export interface Source {
  /** How a qualifier may name it, each a list of name parts: `[alias]`, or `[table]` and `[database, table]`. */
  qualifiers: string[][];
  columns: { name: string; kind: Kind; generated?: boolean }[];
}

export interface Scope {
  parent?: Scope;
  sources: Source[];
  /** In an ON clause: all tables of the block, of which only those of the join can be named. */
  block?: Source[];
}

export type Parameter = string | number | null;

/** What the generator of one statement knows. */
export interface Draft {
  choices: Choices;
  world: World;
  quoting: Quoting;
  /** Present when literals may become parameters, in the order in which they were drawn. */
  parameters?: Parameter[];
  /** CTE names that hide tables. */
  commonTables: { name: string; columns: Source['columns'] }[];
  /** A query, for use inside an expression: one column of the kind, or any. `single`: at most one row. */
  subquery(scope: Scope | undefined, depth: number, kind: Kind, single: boolean): Pieces;
}

/** A column of a source, qualified or not. Names with spaces around their dots are part of one piece. */
export function columnOf(draft: Draft, scope: Scope, source: Source, column: { name: string }): string {
  const { choices, quoting } = draft;
  const seen = scope.sources.filter(({ columns }) =>
    columns.some(({ name }) => name.toLowerCase() === column.name.toLowerCase()),
  );
  const bare = name(choices, column.name, quoting);
  if (source.qualifiers.length === 0 || (seen.length <= 1 && choices.chance(30))) return bare;
  return qualified(draft, choices.pick(source.qualifiers), bare);
}

export function qualified({ choices, quoting }: Draft, qualifier: readonly string[], last: string): string {
  const dot = choices.weighted([
    [12, '.'],
    [1, ' . '],
    [1, '. '],
    [1, ' /**/.'],
  ]);
  const parts = qualifier.map((part) => name(choices, part, quoting));
  return [...parts, last].join(dot);
}

function anyColumn(draft: Draft, scope: Scope, kind: Kind | undefined): string | undefined {
  const { choices } = draft;
  const outer = scope.parent !== undefined && choices.chance(25) ? scope.parent : scope;
  const found = outer.sources.flatMap((source) =>
    source.columns.filter((column) => kind === undefined || column.kind === kind).map((column) => ({ source, column })),
  );
  if (found.length === 0) return undefined;
  const { source, column } = choices.pick(found);
  if (outer === scope || source.qualifiers.length === 0) return columnOf(draft, scope, source, column);
  // an outer column needs its qualifier where the inner block has the same name; if an inner table has the qualifier's name too, which of
  // them the server takes depends on the columns they have
  const hidden = new Set(
    (scope.block ?? scope.sources).flatMap(({ qualifiers }) => qualifiers.map((parts) => parts.at(-1))),
  );
  const free = source.qualifiers.filter((parts) => !hidden.has(parts.at(-1)));
  if (free.length === 0) return undefined;
  return qualified(draft, choices.pick(free), name(choices, column.name, draft.quoting));
}

/** A value as it stands in the text, or a parameter. */
export function literal(draft: Draft, kind: Kind): string {
  const { choices, quoting, parameters } = draft;
  if (choices.chance(4)) return 'NULL';
  const asParameter = parameters !== undefined && choices.chance(60);
  const give = (value: Parameter, text: string): string => {
    if (!asParameter) return text;
    parameters.push(value);
    return parameterPiece(parameters.length - 1);
  };
  switch (kind) {
    case 'int': {
      const number = choices.pick([1, 0, 2, 3, 5, 100, -1, 2147483648]);
      return give(number, String(number));
    }
    case 'dec': {
      const text = choices.pick(['1.5', '0.0', '12.25', '-3.', '.5', '1e1']);
      return give(Number(text), text);
    }
    case 'date':
      return asParameter
        ? give('2024-02-13', '')
        : choices.weighted([
            [6, "'2024-02-13'"],
            [3, "DATE'2024-03-11'"],
            [2, 'CURDATE()'],
            [1, "TIMESTAMP'2024-03-11 01:02:03'"],
            [0, "{d '2024-04-12'}"],
          ]);
    case 'json':
      return give('{"a": 1}', string(choices, '{"a": 1}', quoting));
    case 'enum':
      return give('paid', string(choices, 'paid', quoting));
    case 'blob':
      return asParameter ? give('a', '') : choices.pick(["x'27'", '0x5c', "b'1001'", "X'00FF'"]);
    case 'str': {
      const text = choices.pick(textPool);
      return give(text, string(choices, text, quoting));
    }
  }
}

/** An expression of about this kind: the servers cast freely. */
export function expression(draft: Draft, scope: Scope, kind: Kind, depth: number): Pieces {
  const { choices } = draft;
  if (depth <= 0 || choices.chance(45)) {
    const column = choices.chance(25) ? undefined : anyColumn(draft, scope, kind);
    return [column ?? literal(draft, kind)];
  }
  const inner = (of: Kind): Pieces => expression(draft, scope, of, depth - 1);
  const common: (() => Pieces)[] = [
    () => sql`COALESCE( ${inner(kind)} , ${inner(kind)} )`,
    () => sql`IF( ${condition(draft, scope, depth - 1)} , ${inner(kind)} , ${inner(kind)} )`,
    () => sql`CASE WHEN ${condition(draft, scope, depth - 1)} THEN ${inner(kind)} ELSE ${inner(kind)} END`,
    () => sql`NULLIF( ${inner(kind)} , ${inner(kind)} )`,
    () => brackets(inner(kind)),
    () => brackets(draft.subquery(scope, depth - 1, kind, true)),
    () => [anyColumn(draft, scope, undefined) ?? literal(draft, kind)],
  ];
  return choices.pick([...ofKind(draft, scope, kind, inner, depth), ...common])();
}

function ofKind(draft: Draft, scope: Scope, kind: Kind, inner: (of: Kind) => Pieces, depth: number): (() => Pieces)[] {
  const { choices } = draft;
  switch (kind) {
    case 'int':
      return [
        () => sql`${inner('int')} ${choices.pick(['+', '-', '%', '&', '|', '^', '<<', 'DIV', 'MOD'])} ${inner('int')}`,
        () => sql`CHAR_LENGTH( ${inner('str')} )`,
        () => sql`LENGTH( ${inner('blob')} )`,
        () => sql`EXTRACT( ${choices.pick(['YEAR', 'MONTH', 'DAY_HOUR'])} FROM ${inner('date')} )`,
        () => sql`CAST( ${inner('str')} AS ${choices.pick(['SIGNED', 'UNSIGNED', 'SIGNED INTEGER'])} )`,
        () => sql`${choices.pick(['YEAR', 'DAYOFWEEK', 'TO_DAYS'])}( ${inner('date')} )`,
        () => sql`LOCATE( ${inner('str')} , ${inner('str')} )`,
        () => sql`POSITION( ${literal(draft, 'str')} IN ${inner('str')} )`,
        () => sql`JSON_LENGTH( ${inner('json')} )`,
        () => sql`INTERVAL( ${inner('int')} , 1 , 5 )`,
        () => sql`- ${inner('int')}`,
        () => sql`! ${brackets(inner('int'))}`,
        () => brackets(condition(draft, scope, depth - 1)),
        () => sql`TIMESTAMPDIFF( DAY , ${inner('date')} , ${inner('date')} )`,
        () => sql`CONVERT( ${inner('str')} , SIGNED )`,
        () => sql`FIELD( ${inner('str')} , ${inner('str')} , ${inner('str')} )`,
        () => sql`BINARY ${inner('int')}`,
      ];
    case 'dec':
      return [
        () => sql`${inner('dec')} ${choices.pick(['+', '-', '*', '/'])} ${inner('int')}`,
        () => sql`ROUND( ${inner('dec')} , 1 )`,
        () => sql`CAST( ${inner('int')} AS DECIMAL(12,3) )`,
        () => sql`TRUNCATE( ${inner('dec')} , 0 )`,
        () => sql`GREATEST( ${inner('dec')} , ${inner('int')} )`,
      ];
    case 'date':
      return [
        () => sql`${inner('date')} + INTERVAL ${inner('int')} ${choices.pick(['DAY', 'MONTH'])}`,
        () => sql`DATE_SUB( ${inner('date')} , INTERVAL 1 DAY )`,
        () => sql`LAST_DAY( ${inner('date')} )`,
        () => sql`CAST( ${inner('str')} AS DATE )`,
        () => sql`TIMESTAMP( ${inner('date')} )`,
      ];
    case 'json':
      return [
        () => sql`JSON_OBJECT( 'k' , ${inner('int')} )`,
        () => sql`JSON_ARRAY( ${inner('str')} , ${inner('int')} )`,
        () => sql`JSON_EXTRACT( ${inner('json')} , '$.a' )`,
        () => sql`JSON_SET( ${inner('json')} , '$.from' , ${inner('int')} )`,
      ];
    case 'blob':
      return [() => sql`CAST( ${inner('str')} AS BINARY )`, () => sql`UNHEX( ${sql`HEX( ${inner('str')} )`} )`];
    default:
      return [
        () => sql`CONCAT( ${inner('str')} , ${inner('int')} )`,
        () => sql`CONCAT_WS( ',' , ${inner('str')} , ${inner('enum')} )`,
        () => sql`${inner('str')} || ${inner('str')}`,
        () => sql`SUBSTRING( ${inner('str')} FROM 1 FOR 2 )`,
        () =>
          sql`TRIM( ${choices.pick(['LEADING', 'BOTH', 'TRAILING'])} ${literal(draft, 'str')} FROM ${inner('str')} )`,
        () => sql`REPLACE( ${inner('str')} , 'o' , ${inner('str')} )`,
        () => sql`${choices.pick(['LEFT', 'RIGHT'])}( ${inner('str')} , 2 )`,
        () => sql`INSERT( ${inner('str')} , 1 , 1 , 'x' )`,
        () => sql`HEX( ${inner('blob')} )`,
        () => sql`CONVERT( ${inner('str')} USING utf8mb4 )`,
        () => sql`CAST( ${inner('int')} AS CHAR(10) CHARACTER SET utf8mb4 )`,
        () => sql`JSON_UNQUOTE( JSON_EXTRACT( ${inner('json')} , '$.a' ) )`,
        () => sql`DATE_FORMAT( ${inner('date')} , ${"'%Y from %m'"} )`,
        () => sql`CHAR( 65 , 66 USING utf8mb4 )`,
        () => sql`${inner('str')} COLLATE utf8mb4_bin`,
        () => sql`REPEAT( ${inner('str')} , 2 )`,
        () => sql`LPAD( ${inner('str')} , 5 , '-' )`,
        () => sql`ELT( ${inner('int')} , 'one' , ${inner('str')} )`,
        () => ["'a' 'b'"],
        () => ["N'national'"],
      ];
  }
}

const anyKind: Kind[] = ['int', 'str', 'dec', 'date', 'enum', 'json', 'blob'];

/** An expression that is true, false or unknown. */
export function condition(draft: Draft, scope: Scope, depth: number): Pieces {
  const { choices } = draft;
  const kind = choices.pick(anyKind);
  const inner = (of: Kind = kind): Pieces => expression(draft, scope, of, depth - 1);
  // `UPDATE … WHERE '1' <=> JSON_EXTRACT('1', '$')` brings MariaDB 11.4.5 down, on real tables too
  const operators = ['=', '<>', '<', '>=', '!=', kind === 'json' ? '=' : '<=>'];
  const compare = (): Pieces => {
    const [left, operator] = [inner(), choices.pick(operators)];
    // with an index, MariaDB 11.4.5 takes `a.n = b.n AND a.n <=> b.n` as if it had the second condition only, depending on the plan
    return operator === '<=>' ? sql`COALESCE(${left}) <=> COALESCE(${inner()})` : sql`${left} ${operator} ${inner()}`;
  };
  if (depth <= 0) return compare();
  const either = (): Pieces => condition(draft, scope, depth - 1);
  return choices.weighted<() => Pieces>([
    [6, compare],
    [2, () => sql`${inner()} IS ${choices.pick(['NULL', 'NOT NULL'])}`],
    [
      2,
      () =>
        sql`${inner()} IN ( ${between(
          ',',
          choices.list(1, 3, () => inner()),
        )} )`,
    ],
    [2, () => sql`${inner()} ${choices.pick(['IN', 'NOT IN'])} ( ${draft.subquery(scope, depth - 1, kind, false)} )`],
    [2, () => sql`${choices.pick(['EXISTS', 'NOT EXISTS'])} ( ${draft.subquery(scope, depth - 1, kind, false)} )`],
    [
      1,
      () =>
        sql`${inner()} ${choices.pick(['=', '<'])} ${choices.pick(['ANY', 'ALL', 'SOME'])} ( ${draft.subquery(scope, depth - 1, kind, false)} )`,
    ],
    [1, () => sql`${inner()} BETWEEN ${inner()} AND ${inner()}`],
    [1, () => sql`${inner('str')} ${choices.pick(['LIKE', 'NOT LIKE'])} ${literal(draft, 'str')}`],
    [1, () => sql`${inner('str')} ${choices.pick(['RLIKE', 'REGEXP'])} 'o+'`],
    [1, () => sql`( ${inner()} , ${inner('int')} ) = ( ${inner()} , ${inner('int')} )`],
    [1, () => sql`ROW( ${inner()} , 1 ) IN ( ( ${inner()} , 1 ) , ( ${inner()} , 2 ) )`],
    [1, () => sql`JSON_CONTAINS( ${inner('json')} , '1' , '$.a' )`],
    [1, () => sql`${brackets(either())} IS ${choices.pick(['TRUE', 'NOT TRUE', 'UNKNOWN', 'NOT FALSE'])}`],
    [3, () => sql`${either()} ${choices.pick(['AND', '&&', 'AND'])} ${either()}`],
    [2, () => sql`( ${either()} ${choices.pick(['OR', 'XOR'])} ${either()} )`],
    [1, () => sql`NOT ${brackets(either())}`],
  ])();
}

/** An aggregate over the rows of the block; window functions where `over` is drawn. */
export function aggregate(draft: Draft, scope: Scope, depth: number): { pieces: Pieces; kind: Kind } {
  const { choices } = draft;
  // one over columns of an outer block alone belongs to that block, and has brought servers down
  const own: Scope = { sources: scope.sources };
  const inner = (kind: Kind): Pieces => expression(draft, own, kind, depth - 1);
  return choices.weighted<() => { pieces: Pieces; kind: Kind }>([
    [4, () => ({ pieces: sql`COUNT( * )`, kind: 'int' })],
    [2, () => ({ pieces: sql`SUM( ${inner('int')} )`, kind: 'dec' })],
    [1, () => ({ pieces: sql`COUNT( DISTINCT ${inner('str')} )`, kind: 'int' })],
    [1, () => ({ pieces: sql`${choices.pick(['MIN', 'MAX'])}( ${inner('int')} )`, kind: 'int' })],
    [1, () => ({ pieces: sql`AVG( ${inner('dec')} )`, kind: 'dec' })],
    [1, () => ({ pieces: sql`BIT_XOR( ${inner('int')} )`, kind: 'int' })],
    [
      1,
      () => {
        const value = inner('int');
        return { pieces: sql`GROUP_CONCAT( ${value} ORDER BY 1 SEPARATOR ';' )`, kind: 'str' };
      },
    ],
  ])();
}

export function windowFunction(
  draft: Draft,
  scope: Scope,
  depth: number,
  named: string | undefined,
): { pieces: Pieces; kind: Kind } {
  const { choices } = draft;
  const inner = (kind: Kind): Pieces => expression(draft, scope, kind, depth - 1);
  const partition = choices.chance(50) ? sql`PARTITION BY ${inner('int')}` : [];
  // every row gets a value that does not depend on the order of equal rows
  const over = named === undefined ? brackets([...partition, ...sql`ORDER BY ${inner('int')}`]) : [named];
  const call = choices.pick<() => Pieces>([
    () => sql`RANK( )`,
    () => sql`DENSE_RANK( )`,
    () => sql`SUM( ${inner('int')} )`,
    () => sql`COUNT( * )`,
    () => sql`CUME_DIST( )`,
  ])();
  return { pieces: sql`${call} OVER ${over}`, kind: 'int' };
}
