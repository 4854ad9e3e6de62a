import type { Choices } from '../choices.js';
import type { Draft, Parameter } from './expression.js';
import { commonTableExpressions, database, query, tableName } from './query.js';
import { between, join, name, type Pieces, quoted, sql, withParameters } from './text.js';
import type { World } from './world.js';
import { insert, remove, update } from './write.js';

/** One statement, or several that only make sense together (LOCK TABLES … UNLOCK TABLES). */
export interface Step {
  statements: {
    /** `__db__` stands for the schema of the side. */
    text: string;
    parameters: Parameter[];
  }[];
  via: 'query' | 'execute';
  /** How far results may be compared: `explain` shows plans, `define` shows definitions with names of their own. */
  compare: 'rows' | 'explain' | 'define';
  /** It commits implicitly, so the start data have to be made anew. */
  commits: boolean;
  /** Compare SHOW WARNINGS too. */
  warnings: boolean;
}

export function makeStep(choices: Choices, world: World): Step {
  const quoting = {
    ansiQuotes: world.flags.includes('ANSI_QUOTES'),
    noBackslashEscapes: world.flags.includes('NO_BACKSLASH_ESCAPES'),
  };
  const via = choices.chance(30) ? 'execute' : 'query';
  const parameters: Parameter[] | undefined = via === 'execute' || choices.chance(20) ? [] : undefined;
  const draft: Draft = {
    choices,
    world,
    quoting,
    ...(parameters && { parameters }),
    commonTables: [],
    subquery: (scope, depth, kind, single) =>
      query(draft, scope, depth, { kinds: [kind], single, nested: true }).pieces,
  };
  const kind = choices.weighted([
    [200, 'select'],
    [64, 'insert'],
    [48, 'update'],
    [36, 'remove'],
    [8, 'explain'],
    [8, 'show'],
    [8, 'session'],
    [8, 'savepoint'],
    [1, 'lock'],
    [1, 'transaction'],
  ] as const);
  const step: Step = { statements: [], via, compare: 'rows', commits: false, warnings: choices.chance(20) };
  const drawn: readonly (readonly [Pieces, Partial<Step>?])[] = statements(draft, kind);
  for (const [pieces, more] of drawn) {
    const { text, order } = withParameters(join(choices, pieces));
    const end = choices.chance(5) ? ' ;' : '';
    step.statements.push({ text: text + end, parameters: order.map((index) => parameters?.[index] ?? null) });
    Object.assign(step, more);
  }
  return step;
}

type Statement = readonly [Pieces, Partial<Step>?];

function statements(draft: Draft, kind: string): readonly Statement[] {
  switch (kind) {
    case 'insert':
      return [[insert(draft)]];
    case 'update':
      return [[update(draft)]];
    case 'remove':
      return [[remove(draft)]];
    case 'explain':
      return [explain(draft)];
    case 'show':
      return [show(draft)];
    case 'session':
      return [[session(draft), { via: 'query', warnings: false }]];
    case 'savepoint':
      return savepoint(draft);
    case 'lock':
      // the tables of a foreign key are locked with it, by their bare names: on the shadow side an alias does not find them
      return draft.world.tables.some(({ parent }) => parent !== undefined) ? savepoint(draft) : lock(draft);
    case 'transaction':
      return transaction(draft);
    default:
      return [[selection(draft)]];
  }
}

function selection(draft: Draft): Pieces {
  const { choices } = draft;
  const depth = choices.weighted([
    [6, 1],
    [3, 2],
    [3, 0],
    [1, 3],
  ]);
  const definitions = choices.chance(12) ? commonTableExpressions(draft, depth) : [];
  const { pieces } = query(draft, undefined, depth, {});
  return [...definitions, ...pieces];
}

function explain(draft: Draft): Statement {
  const { choices } = draft;
  const how = choices
    .pick(['EXPLAIN', 'DESCRIBE', 'DESC', 'EXPLAIN EXTENDED', 'EXPLAIN FORMAT = JSON', 'EXPLAIN PARTITIONS'])
    .split(' ');
  const what = choices.pick([selection, insert, update, remove])(draft);
  return [[...how, ...what], { compare: 'explain', via: 'query' }];
}

function show(draft: Draft): Statement {
  const { choices, world } = draft;
  const table = choices.pick(world.tables).name;
  const named = tableName(draft, table);
  const alone = name(choices, table, draft.quoting);
  const from = choices.pick(['FROM', 'IN']);
  const pieces = choices.pick<() => Pieces>([
    () => sql`SHOW ${choices.pick(['COLUMNS', 'FIELDS'])} ${from} ${named}`,
    () => sql`SHOW FULL COLUMNS ${from} ${alone} ${from} ${database} LIKE '%d%'`,
    () => sql`SHOW COLUMNS ${from} ${named} WHERE Field <> 'id'`,
    () => sql`SHOW ${choices.pick(['INDEX', 'KEYS', 'INDEXES'])} ${from} ${named}`,
    () => sql`SHOW CREATE TABLE ${named}`,
    () => sql`${choices.pick(['DESCRIBE', 'DESC', 'EXPLAIN'])} ${named}`,
    () => sql`DESCRIBE ${named} ${'id'}`,
  ])();
  return [pieces, { compare: 'define', via: 'query' }];
}

function session(draft: Draft): Pieces {
  const { choices } = draft;
  return choices.pick<() => Pieces>([
    () => sql`SET @v = ( ${draft.subquery(undefined, 1, 'int', true)} )`,
    () => ['SELECT', '@v', ',', '@w'],
    () => sql`SELECT COUNT( * ) INTO @w FROM ${tableName(draft, choices.pick(draft.world.tables).name)}`,
    () => ['SHOW', 'VARIABLES', 'LIKE', "'sql_safe_updates'"],
    () => ['SELECT', 'ROW_COUNT(', ')', ',', 'LAST_INSERT_ID(', ')'],
    () => ['SELECT', '@@session.sql_mode', ',', 'DATABASE(', ')', 'IS', 'NULL'],
    () => ['SELECT', '1', 'FROM', 'DUAL', 'WHERE', "''", '=', "''"],
  ])();
}

/** A savepoint around a write: what is rolled back is rolled back on both sides. */
function savepoint(draft: Draft): readonly Statement[] {
  const point = quoted(draft.choices.pick(['s', 'from orders']));
  const end = draft.choices.pick([
    ['ROLLBACK', 'TO', 'SAVEPOINT', point],
    ['RELEASE', 'SAVEPOINT', point],
    ['ROLLBACK', 'TO', point],
  ]);
  // SAVEPOINT leaves the warnings of the statement before it
  return [[['SAVEPOINT', point], { warnings: false }], [write(draft)], [end]];
}

const write = (draft: Draft): Pieces => draft.choices.pick([insert, update, remove])(draft);

/** Statements under LOCK TABLES: those that name a table or an alias that is not locked fail with 1100, on both sides. */
function lock(draft: Draft): readonly Statement[] {
  const { choices, world } = draft;
  // the lock is the schema's own business where a real-read table is in it
  const tables = choices.some(world.tables.filter((table) => table.class === 'shadow'));
  const entries = tables.map(({ name: table }) => {
    const alias = choices.chance(30) ? [...(choices.chance(50) ? ['AS'] : []), choices.pick(['a', '`my alias`'])] : [];
    return [
      tableName(draft, table),
      ...alias,
      ...choices.pick(['WRITE', 'READ', 'READ LOCAL', 'LOW_PRIORITY WRITE']).split(' '),
    ];
  });
  const tablesWord = choices.pick(['TABLES', 'TABLE']);
  return [
    [['LOCK', tablesWord, ...between(',', entries)], { commits: true, warnings: false, via: 'query' }],
    ...choices.list(1, 3, () => [choices.chance(50) ? write(draft) : selection(draft)] as Statement),
    [['UNLOCK', tablesWord]],
  ];
}

function transaction(draft: Draft): readonly Statement[] {
  const { choices } = draft;
  const begin = choices.pick([
    'BEGIN',
    'START TRANSACTION',
    'BEGIN WORK',
    'START TRANSACTION WITH CONSISTENT SNAPSHOT',
    'START TRANSACTION READ ONLY',
  ]);
  const end = choices.pick(['COMMIT', 'ROLLBACK', 'COMMIT WORK', 'ROLLBACK AND NO CHAIN', 'COMMIT AND CHAIN']);
  return [
    [begin.split(' '), { commits: true, warnings: false, via: 'query' }],
    ...choices.list(1, 3, () => [write(draft)] as Statement),
    [end.split(' ')],
  ];
}
