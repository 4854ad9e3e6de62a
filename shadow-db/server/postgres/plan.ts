import { createHash } from 'node:crypto';
import type { TableName } from '../../mapping.js';
import { type Db, ShadowDbError } from '../db.js';
import type { SeedPlan } from '../seed/plan.js';
import {
  accountSteps,
  checkRole,
  everybodyConnects,
  grantOn,
  publicWarnings,
  type RoleState,
  readRole,
  scramVerifier,
  wantedGrants,
} from './account.js';
import * as ddl from './ddl.js';
import { type Desired, type DesiredSequence, type DesiredTable, desired } from './desired.js';
import {
  actualSequence,
  actualTable,
  foreignKeyText,
  indexText,
  isLoose,
  links,
  sequenceText,
  structure,
  triggerText,
  viewDrift,
  wantedSequence,
} from './drift.js';
import { inspect } from './inspect.js';
import { isMarked, markedFirst, markOf, viewMark } from './mark.js';
import type { SchemaModel, TableModel } from './model.js';
import { Names, type ShadowDbOptions } from './options.js';
import { full, literal, quote, sameTable, shown } from './quote.js';
import { firstShadowId, highestOf, type ReservedRange, readHighest } from './range.js';
import { checkRights } from './rights.js';
import { noteFunction, noteStatements, rowsName, rowsStatements, rowsTable, rowsTrigger } from './rows.js';
import { isSeedHelper, journalName, readSeedPlan } from './seed.js';
import { inSnapshot, readServer, type Server } from './session.js';

export interface Step {
  kind:
    | 'schema'
    | 'drop'
    | 'sequence'
    | 'table'
    | 'range'
    | 'index'
    | 'partition'
    | 'seed'
    | 'foreign-key'
    | 'trigger'
    | 'run'
    | 'view'
    | 'account'
    | 'grant';
  /** The real table, view, sequence or account that the step is about. */
  subject: string;
  /** As it is sent, except that `{password}` stands for the account's password, and `{…}` in steps of kind `seed` for what differs from chunk to chunk. */
  sql: string;
  reason: string;
}

export interface Plan {
  options: Omit<ShadowDbOptions, 'account'> & { account?: { user: string } };
  steps: Step[];
  /** What is left out, and why. */
  warnings: string[];
  reserved: ReservedRange[];
  /** What the steps of kind `seed` show. */
  seed?: SeedPlan;
  /** Digest of what the plan is about, as it was when the plan was made. */
  fingerprint: string;
}

/** Reads both sides and says what would have to be done; changes nothing. Throws ShadowDbError. */
export async function plan(db: Db, options: ShadowDbOptions): Promise<Plan> {
  const server = await readServer(db, { mustWrite: true });
  const situation = await readSituation(db, server, options);
  const seed = await readSeedPlan(db, situation, new Names(options));
  return planFrom({ ...situation, ...(seed && { seed }) }, options);
}

export interface Situation {
  server: Server;
  model: SchemaModel;
  wanted: Desired;
  /** Highest real ids by sequence; see `readHighest`. */
  highest: ReadonlyMap<string, bigint>;
  /** undefined: the role does not exist. */
  role: RoleState | undefined;
  /** PUBLIC may connect to the database. */
  everybodyConnects: boolean;
  warnings: string[];
  seed?: SeedPlan;
}

export async function readSituation(db: Db, server: Server, options: ShadowDbOptions): Promise<Situation> {
  const names = new Names(options);
  const user = options.account?.user;
  const warnings: string[] = [];
  const read = await inSnapshot(db, async () => {
    const model = await inspect(db, server, [...names.realSchemas, ...names.shadowSchemas]);
    const missing = names.realSchemas.find((schema) => !model.schemas.some(({ name }) => name === schema));
    if (missing !== undefined) {
      throw new ShadowDbError('DATABASE_MISSING', `the database ${server.database} has no schema ${missing}`);
    }
    const wanted = await desired(model, names);
    await checkRights(db, wanted, model, names, server);
    const role = await readRole(db, user);
    if (user !== undefined) {
      checkRole(user, role, names);
      warnings.push(...(await publicWarnings(db, names)));
    }
    return { model, wanted, role, everybodyConnects: await everybodyConnects(db) };
  });
  if (read.wanted.views.length > 0 && server.version < 150_000) {
    warnings.push(
      'views run with the rights of their owner before version 15; they read shadow and real-read tables only',
    );
  }
  const highest = await readHighest(db, read.wanted.sequences, warnings);
  return { server, ...read, highest, warnings };
}

/** Pure part of `plan`. */
export function planFrom(situation: Situation, options: ShadowDbOptions): Plan {
  const { account, ...rest } = options;
  const planner = new Planner(new Names(options), situation);
  const steps = planner.steps(account?.user);
  return {
    options: { ...rest, ...(account && { account: { user: account.user } }) },
    steps,
    warnings: [...situation.wanted.warnings, ...situation.warnings, ...(situation.seed?.warnings ?? [])],
    reserved: planner.reserved,
    ...(situation.seed && { seed: situation.seed }),
    fingerprint: fingerprint(situation, new Names(options)),
  };
}

/** What a plan rests on: the tables that it is about, what is ours, and the role. Rows and sequences may move on, since ids keep their distance. */
function fingerprint({ model, wanted, role, server }: Situation, names: Names): string {
  // what a seeder keeps beside the shadow tables comes and goes with its work
  const ours = [...model.tables, ...model.views, ...model.sequences].filter(
    (item) => isMarked(item) && !isSeedHelper(item, names),
  );
  const parts = [server.database, model.schemas.map(({ name }) => name), wanted, ours, model.functions, role ?? null];
  const text = JSON.stringify(parts, (key, value) => (key === 'last' ? undefined : value));
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

class Planner {
  readonly reserved: ReservedRange[] = [];
  private readonly names: Names;
  private readonly situation: Situation;
  private readonly firsts = new Map<DesiredSequence, bigint>();
  private readonly remade: DesiredTable[];

  constructor(names: Names, situation: Situation) {
    this.names = names;
    this.situation = situation;
    this.checkTaken();
    this.remade = this.chooseRemade();
  }

  steps(user: string | undefined): Step[] {
    const { names, situation, remade } = this;
    const { wanted } = situation;
    this.reserve();
    const steps = [...this.schemas(), ...this.drops(), ...this.sequences()];
    for (const table of remade) steps.push(...this.create(table));
    for (const sequence of wanted.sequences) {
      const sql = ddl.ownSequence(sequence);
      const actual = this.keptSequence(sequence);
      const isOwned =
        actual?.owner &&
        sequence.owner &&
        sameTable(actual.owner, sequence.owner) &&
        actual.owner.column === sequence.owner.column;
      if (sql !== undefined && !isOwned) steps.push(this.step('sequence', sequence, sql, 'goes when its column goes'));
    }
    for (const table of wanted.tables) steps.push(...this.indexes(table));
    for (const table of wanted.tables) {
      const kept = this.kept(table);
      const sql = ddl.attachPartition(table);
      if (sql !== undefined && (kept === undefined || isLoose(table.partitionOf, kept)))
        steps.push(this.step('partition', table, sql, 'joined to the shadow of its partitioned table'));
    }
    // rows come before what checks them or is called by them, so that an interrupted seed can go on
    for (const { table, sql, reason } of situation.seed?.steps ?? [])
      steps.push({ kind: 'seed', subject: table, sql, reason });
    for (const table of wanted.tables) steps.push(...this.foreignKeys(table));
    for (const table of wanted.tables) steps.push(...this.triggers(table));
    steps.push(...this.bookkeeping(), ...this.views());
    if (user !== undefined) {
      const gone = [...remade.map(({ target }) => target), ...this.droppedViews().map(({ target }) => target)];
      for (const sequence of wanted.sequences)
        if (this.keptSequence(sequence) === undefined) gone.push(sequence.target);
      steps.push(...accountSteps(user, situation.role, wantedGrants(situation, names), grantOn(gone)));
    }
    return steps;
  }

  /** Every name that will be made must be free, or be ours. */
  private checkTaken(): void {
    const { wanted, model } = this.situation;
    const { names } = this;
    const ours = new Set<string>();
    const mine = (name: TableName): void => void ours.add(JSON.stringify([name.schema, name.table]));
    for (const table of model.tables.filter(isMarked)) {
      mine(table);
      for (const { name } of [...table.constraints, ...table.indexes]) mine({ schema: table.schema, table: name });
    }
    for (const view of model.views.filter(isMarked)) mine(view);
    for (const sequence of model.sequences) {
      const owner = sequence.owner && actualTable(sequence.owner, model);
      if (isMarked(sequence) || (owner && isMarked(owner))) mine(sequence);
    }
    const needed = [
      ...wanted.tables.flatMap(({ target, constraints, indexes }) => [
        target,
        ...constraints.filter(({ kind }) => kind !== 'c').map(({ name }) => ({ schema: target.schema, table: name })),
        ...indexes.map(({ name }) => ({ schema: target.schema, table: name })),
      ]),
      ...wanted.sequences.map(({ target }) => target),
      ...wanted.views.map(({ target }) => target),
      ...(wanted.tables.length > 0 ? [rowsName(names)] : []),
      ...(this.situation.seed === undefined ? [] : [journalName(names)]),
    ];
    const taken = new Set(model.taken.map((name) => JSON.stringify([name.schema, name.table])));
    for (const name of needed) {
      const key = JSON.stringify([name.schema, name.table]);
      if (taken.has(key) && !ours.has(key)) throw new ShadowDbError('NAME_TAKEN', `${shown(name)} exists`);
    }
  }

  /** Tables that are missing or have drifted; when one of the tree of a partitioned table has, all of the tree goes. */
  private chooseRemade(): DesiredTable[] {
    const { wanted, model } = this.situation;
    const rootOf = (table: DesiredTable): DesiredTable => {
      const parent =
        table.partitionOf && wanted.tables.find(({ target }) => sameTable(target, table.partitionOf as TableName));
      return parent ? rootOf(parent) : table;
    };
    const broken = new Set<DesiredTable>();
    for (const table of wanted.tables) {
      const actual = actualTable(table.target, model);
      if (actual !== undefined && structure(table, actual, this.names).length > 0) broken.add(rootOf(table));
    }
    return wanted.tables.filter((table) => broken.has(rootOf(table)) || actualTable(table.target, model) === undefined);
  }

  /** Shadow tables that are there and stay. */
  private kept(table: DesiredTable): TableModel | undefined {
    return this.remade.includes(table) ? undefined : actualTable(table.target, this.situation.model);
  }

  private keptSequence(sequence: DesiredSequence) {
    const actual = actualSequence(sequence, this.situation.model);
    const goes = actual?.owner && this.remade.some(({ target }) => sameTable(target, actual.owner as TableName));
    return goes ? undefined : actual;
  }

  private reserve(): void {
    const { wanted, highest } = this.situation;
    for (const sequence of wanted.sequences) {
      const actual = this.keptSequence(sequence);
      const known = actual && markedFirst(actual);
      const first =
        known === undefined ? firstShadowId(sequence, highest.get(shown(sequence.real)), this.names) : BigInt(known);
      this.firsts.set(sequence, first);
      for (const { table, column } of sequence.users)
        if (highestOf(column.type) !== undefined)
          this.reserved.push({ table: this.names.plain(table), column: column.name, firstShadowId: String(first) });
    }
  }

  private firstOf(sequence: DesiredSequence): bigint {
    return this.firsts.get(sequence) as bigint;
  }

  private schemas(): Step[] {
    const { names, situation } = this;
    return names.shadowSchemas
      .filter((schema) => !situation.model.schemas.some(({ name }) => name === schema))
      .flatMap((schema) => [
        {
          kind: 'schema',
          subject: schema,
          sql: `CREATE SCHEMA ${quote(schema)}`,
          reason: 'the shadow schema does not exist',
        },
        {
          kind: 'schema',
          subject: schema,
          sql: `COMMENT ON SCHEMA ${quote(schema)} IS 'shadowline'`,
          reason: 'marked as made by Shadowline',
        },
      ]);
  }

  private droppedViews() {
    const { wanted, model } = this.situation;
    const isGone = (table: TableName): boolean => this.remade.some(({ target }) => sameTable(target, table));
    const dropped = new Set<string>();
    // in the order in which they were made, so that a view over a dropped view goes too
    return wanted.views.filter((view) => {
      const actual = model.views.find((one) => sameTable(one, view.target));
      const isBroken =
        actual &&
        (viewDrift(view, model, this.names).length > 0 ||
          actual.reads.some((read) => isGone(read) || dropped.has(shown(read))));
      if (isBroken) dropped.add(shown(view.target));
      return isBroken;
    });
  }

  /** Takes away what is wrong, or in the way of a drop. */
  private drops(): Step[] {
    const { situation, names, remade } = this;
    const { wanted, model } = situation;
    const steps: Step[] = [];
    const views = this.droppedViews();
    for (const view of [...views].reverse())
      steps.push(
        this.step(
          'drop',
          view,
          `DROP VIEW ${full(view.target)}`,
          'it has drifted, or a table that it reads is made anew',
        ),
      );
    for (const table of wanted.tables) {
      const actual = actualTable(table.target, model);
      if (actual === undefined) continue;
      const isRemade = remade.includes(table);
      const wrong = new Set(links(table, actual, model, names).map(({ what, name }) => `${what} ${name ?? ''}`));
      for (const key of actual.foreignKeys) {
        const isInWay = isRemade || remade.some(({ target }) => sameTable(target, key.parent));
        if (!isInWay && !wrong.has(`foreign-key ${key.name}`)) continue;
        // a key of a partition that came from above cannot be dropped, and goes with it
        const sql = `ALTER TABLE ${full(table.target)} DROP CONSTRAINT ${quote(key.name)}`;
        steps.push(this.step('drop', table, sql, `foreign key ${key.name} is in the way or wrong`));
      }
      if (isRemade) continue;
      for (const { name } of actual.triggers) {
        const what = name === rowsTrigger ? 'run ' : `trigger ${name}`;
        if (wrong.has(what))
          steps.push(
            this.step(
              'drop',
              table,
              `DROP TRIGGER ${quote(name)} ON ${full(table.target)}`,
              `trigger ${name} is wrong`,
            ),
          );
      }
      for (const { name } of actual.indexes)
        if (wrong.has(`index ${name}`))
          steps.push(
            this.step(
              'drop',
              table,
              `DROP INDEX ${full({ schema: table.target.schema, table: name })}`,
              `index ${name} is wrong`,
            ),
          );
      for (const { name } of actual.statistics)
        if (wrong.has(`statistics ${name}`))
          steps.push(
            this.step(
              'drop',
              table,
              `DROP STATISTICS ${full({ schema: table.target.schema, table: name })}`,
              `statistics ${name} are wrong`,
            ),
          );
    }
    const gone = remade.filter(({ target }) => actualTable(target, model));
    if (gone.length > 0) {
      const sql = `DROP TABLE ${gone.map(({ target }) => full(target)).join(', ')}`;
      steps.push({
        kind: 'drop',
        subject: gone.map(({ real }) => names.plain(real)).join(', '),
        sql,
        reason: 'their structure has drifted',
      });
    }
    return steps;
  }

  private sequences(): Step[] {
    return this.situation.wanted.sequences.flatMap((sequence) => {
      const actual = this.keptSequence(sequence);
      if (actual !== undefined) {
        if (sequenceText(actual) === wantedSequence(sequence)) return [];
        return [this.step('sequence', sequence, ddl.alterSequence(sequence), 'its settings have drifted')];
      }
      if (sequence.owner?.kind === 'i') return [];
      const first = this.firstOf(sequence);
      return [
        this.step(
          'sequence',
          sequence,
          ddl.createSequence(sequence, first),
          `ids from ${first}: told from real ones, and never in their way`,
        ),
        this.step(
          'range',
          sequence,
          `COMMENT ON SEQUENCE ${full(sequence.target)} IS ${literal(markOf(first))}`,
          'its range is kept: real ids go on growing',
        ),
      ];
    });
  }

  private create(table: DesiredTable): Step[] {
    const { wanted } = this.situation;
    const firstOf = (sequence: DesiredSequence): bigint => this.firstOf(sequence);
    const identities = table.columns.flatMap((column) => ddl.identityOf(table, column, wanted.sequences) ?? []);
    const main = wanted.sequences.find(({ users }) => users.some((user) => user.table === table.real));
    return [
      this.step('table', table, ddl.createTable(table, wanted.sequences, firstOf), 'shadow table with its constraints'),
      this.step(
        'range',
        table,
        `COMMENT ON TABLE ${full(table.target)} IS ${literal(markOf(main && firstOf(main)))}`,
        'marked as a shadow table',
      ),
      ...identities.map((sequence) =>
        this.step(
          'range',
          table,
          `COMMENT ON SEQUENCE ${full(sequence.target)} IS ${literal(markOf(firstOf(sequence)))}`,
          `ids from ${firstOf(sequence)}: told from real ones, and never in their way`,
        ),
      ),
      ...ddl.refine(table).map((sql) => this.step('table', table, sql, 'stored as the real one')),
    ];
  }

  private indexes(table: DesiredTable): Step[] {
    const kept = this.kept(table);
    const isThere = (list: { name: string }[] | undefined, name: string, same: (item: never) => boolean): boolean =>
      list?.some((item) => item.name === name && same(item as never)) ?? false;
    return [
      ...table.indexes
        .filter(
          (index) =>
            !isThere(kept?.indexes, index.name, (other: typeof index) => indexText(other) === indexText(index)),
        )
        .map((index) => this.step('index', table, ddl.createIndex(table, index), 'index as the real one')),
      ...table.statistics
        .filter(
          (one) => !isThere(kept?.statistics, one.name, (other: typeof one) => other.definition === one.definition),
        )
        .map((one) => this.step('index', table, ddl.createStatistics(table, one), 'statistics as of the real one')),
    ];
  }

  private foreignKeys(table: DesiredTable): Step[] {
    const kept = this.kept(table);
    const isKept = (key: DesiredTable['foreignKeys'][number]): boolean =>
      (kept?.foreignKeys.some((other) => other.name === key.name && foreignKeyText(other) === foreignKeyText(key)) ??
        false) &&
      !this.remade.some(({ target }) => sameTable(target, key.parent));
    return table.foreignKeys
      .filter((key) => !isKept(key))
      .map((key) =>
        this.step(
          'foreign-key',
          table,
          ddl.addForeignKey(table, key),
          `refers to the shadow parent: ${foreignKeyText(key)}`,
        ),
      );
  }

  private triggers(table: DesiredTable): Step[] {
    const kept = this.kept(table);
    return table.triggers
      .filter(
        (trigger) =>
          !kept?.triggers.some((other) => other.name === trigger.name && triggerText(other) === triggerText(trigger)),
      )
      .flatMap((trigger) => {
        const state = ddl.setTrigger(table, trigger);
        return [
          this.step(
            'trigger',
            table,
            ddl.createTrigger(table, trigger),
            `touches the row at hand only: ${triggerText(trigger).slice(0, 80)}`,
          ),
          ...(state === undefined ? [] : [this.step('trigger', table, state, 'as the real one')]),
        ];
      });
  }

  private bookkeeping(): Step[] {
    const { names, situation } = this;
    const { wanted, model } = situation;
    const steps: Step[] = [];
    if (wanted.tables.length === 0) return steps;
    const run = (subject: string, sql: string, reason: string): void =>
      void steps.push({ kind: 'run', subject, sql, reason });
    if (!model.tables.some((table) => sameTable(table, rowsName(names)))) {
      const { create, index, mark } = rowsStatements(names);
      run(rowsTable, create, 'tells which run wrote which shadow row');
      run(rowsTable, mark, 'marked as made by Shadowline');
      run(rowsTable, index, 'rows of one run are found at once');
    }
    for (const table of wanted.tables.filter(({ key }) => key.length > 0)) {
      const kept = this.kept(table);
      if (kept && !links(table, kept, model, names).some(({ what }) => what === 'run')) continue;
      const { create, close, mark, trigger } = noteStatements(table, names);
      const subject = names.plain(table.real);
      run(subject, create, `notes the keys (${table.key.join(', ')}) of rows that a run inserts`);
      run(subject, close, 'only as a trigger');
      run(subject, mark, 'marked as made by Shadowline');
      run(subject, trigger, `calls ${noteFunction(table).table}`);
    }
    return steps;
  }

  private views(): Step[] {
    const { situation } = this;
    const dropped = this.droppedViews();
    return situation.wanted.views
      .filter((view) => dropped.includes(view) || !situation.model.views.some((one) => sameTable(one, view.target)))
      .flatMap((view) => [
        this.step('view', view, ddl.createView(view, situation.server.version), 'view over shadow tables'),
        this.step(
          'view',
          view,
          `COMMENT ON VIEW ${full(view.target)} IS ${literal(viewMark(view.digest))}`,
          'marked as made by Shadowline',
        ),
      ]);
  }

  private step(kind: Step['kind'], { real }: { real: TableName }, sql: string, reason: string): Step {
    return { kind, subject: this.names.plain(real), sql, reason };
  }
}

/** The text of a step as it is sent; the password goes in as the server keeps it. */
export function textOf({ kind, sql }: Step, password: string): string {
  return kind === 'account' ? sql.replace(/\{password\}$/, () => literal(scramVerifier(password))) : sql;
}
