import { quoteName } from '../../names.js';
import { type Db, quoteText, ShadowDbError } from '../db.js';
import type { SeedPlan } from '../seed/plan.js';
import { isSeedHelper, readSeedPlan } from '../seed/sources.js';
import { accountSteps, accountWarnings, type GrantState, readGrants } from './account.js';
import { createText } from './definition.js';
import { type Desired, type DesiredTable, type DesiredView, desired } from './desired.js';
import { type Difference, existingTable, foreignKeyText, isMendable, links, sameView, structure } from './drift.js';
import type { TableModel, TriggerModel } from './model.js';
import type { ShadowDbOptions } from './options.js';
import { firstShadowId, idsLeft, isFew, isMarked, isOurs, markedFirst, markOf, type ReservedRange } from './range.js';
import { refuseReferrers } from './referrers.js';
import { checkRights } from './rights.js';
import { checkWritable, readServer } from './server.js';
import { namesOn, readSides, type Sides } from './sides.js';
import { type Seen, seen } from './stale.js';
import type { Step } from './step.js';

export interface Plan {
  options: Omit<ShadowDbOptions, 'account'> & { account?: { user: string; host: string } };
  steps: Step[];
  /** What is left out, and why. */
  warnings: string[];
  reserved: ReservedRange[];
  /** What the plan was made from; provision refuses when it has changed. */
  seen: Seen;
  /** What the steps of kind `seed` show. */
  seed?: SeedPlan;
}

/** Reads both sides and says what would have to be done; changes nothing. Throws ShadowDbError. */
export async function plan(db: Db, options: ShadowDbOptions): Promise<Plan> {
  const server = await readServer(db);
  const names = namesOn(options, server);
  const notes = await checkWritable(db, server);
  await checkRights(db, names, true);
  const sides = await readSides(db, options);
  const seed = await readSeedPlan(db, sides);
  const grants = await readGrants(db, options.account);
  const result = planFrom({ sides, grants, ...(seed && { seed }) });
  if (result.steps.some(({ sql }) => sql.startsWith('DROP TABLE '))) {
    const ours = [...sides.shadow].flatMap(([schema, { tables }]) =>
      tables.filter((table) => isOurs(table, schema, names)).map((table) => ({ shadow: `${schema}.${table.name}` })),
    );
    await refuseReferrers(db, names, ours, { mayBeBlind: true });
  }
  result.warnings.push(...notes, ...(await accountWarnings(db, names)));
  return result;
}

export interface Situation {
  sides: Sides;
  /** How shadow tables are filled, when there is something to fill. */
  seed?: SeedPlan;
  /** undefined: the account does not exist. */
  grants: GrantState | undefined;
}

/** Pure part of `plan`. */
export function planFrom(situation: Situation): Plan {
  const { sides } = situation;
  const { account, ...rest } = sides.names.options;
  const wanted = desired(sides);
  const planner = new Planner(wanted, situation);
  const steps = [...planner.steps(), ...accountSteps(sides, wanted, situation.grants)];
  const shown = account && { user: account.user, host: account.host ?? '%' };
  return {
    options: { ...rest, ...(shown && { account: shown }) },
    steps,
    warnings: [...wanted.warnings, ...orphans(sides, wanted), ...(situation.seed?.warnings ?? [])],
    reserved: planner.reserved,
    seen: seen(sides, wanted),
    ...(situation.seed && { seed: situation.seed }),
  };
}

/** Shadow tables of an earlier configuration, or of a real table that is gone, are never touched. */
function orphans({ names, shadow }: Sides, { tables }: Desired): string[] {
  const wanted = new Set(tables.map(({ schema, name }) => `${schema}.${name}`));
  return [...shadow].flatMap(([schema, model]) =>
    model.tables
      .filter(
        (table) =>
          isOurs(table, schema, names) && !wanted.has(`${schema}.${table.name}`) && !isSeedHelper(table.name, names),
      )
      .map(
        ({ name }) =>
          `${schema}.${name} is a shadow table that this configuration does not know: drop it when nothing needs it`,
      ),
  );
}

class Planner {
  readonly reserved: ReservedRange[] = [];
  private readonly wanted: Desired;
  private readonly situation: Situation;
  private readonly sides: Sides;
  private readonly names: Sides['names'];
  /** Links of the shadow tables that are still there when the adding of links begins. */
  private readonly kept = new Map<DesiredTable, TableModel>();
  /** Why a table is made anew. */
  private readonly remade = new Map<DesiredTable, string>();

  constructor(wanted: Desired, situation: Situation) {
    this.wanted = wanted;
    this.situation = situation;
    this.sides = situation.sides;
    this.names = situation.sides.names;
  }

  steps(): Step[] {
    const { wanted, names } = this;
    const steps = this.schemas();
    for (const table of wanted.tables) {
      const why = this.whyRemade(table);
      if (why !== undefined) this.remade.set(table, why);
    }
    steps.push(...this.unlink());
    for (const [table, why] of this.remade) {
      if (existingTable(this.sides, table)) {
        const sql = `DROP TABLE ${names.named(table.name, table.schema)}`;
        steps.push(this.step('drop', table, sql, `it has drifted (${why}); its rows go with it`));
      }
    }
    steps.push(...this.sequences());
    for (const table of wanted.tables) steps.push(...this.create(table));
    for (const { table, sql, reason } of this.situation.seed?.steps ?? []) {
      steps.push({ kind: 'seed', subject: table, sql, reason });
    }
    for (const table of wanted.tables) steps.push(...this.foreignKeys(table));
    for (const table of wanted.tables) steps.push(...this.triggers(table));
    return [...steps, ...this.views()];
  }

  private schemas(): Step[] {
    const { tables, views, sequences } = this.wanted;
    const needed = new Set([...tables, ...views, ...sequences].map(({ schema }) => schema));
    return [...needed]
      .filter((schema) => !this.sides.shadow.get(schema)?.exists)
      .map((schema) => ({
        kind: 'schema',
        subject: schema,
        sql: `CREATE DATABASE ${quoteName(schema)}`,
        reason: 'the shadow schema does not exist',
      }));
  }

  /** undefined: the shadow table is there and right, or can be mended in place. */
  private whyRemade(table: DesiredTable): string | undefined {
    const shadow = this.sides.shadow.get(table.schema);
    const place = `${table.schema}.${table.name}`;
    if (shadow?.views.some(({ name }) => name === table.name))
      throw new ShadowDbError('NAME_TAKEN', `${place} is a view`);
    if (shadow?.sequences.some(({ name }) => name === table.name)) {
      throw new ShadowDbError('NAME_TAKEN', `${place} is a sequence`);
    }
    const existing = existingTable(this.sides, table);
    if (existing === undefined) return 'missing';
    if (!isMarked(existing)) throw new ShadowDbError('NAME_TAKEN', `${place} exists`);
    const differences = structure(table, existing, this.sides).filter((one) => !isMendable(one));
    return differences.length === 0 ? undefined : summary(differences);
  }

  /** Takes away keys and triggers that are wrong, or in the way of a drop. */
  private unlink(): Step[] {
    const { names, wanted } = this;
    const steps: Step[] = [];
    const remadePlaces = new Set([...this.remade.keys()].map(({ schema, name }) => `${schema}.${name}`));
    for (const table of wanted.tables) {
      const actual = existingTable(this.sides, table);
      if (actual === undefined) continue;
      const target = names.named(table.name, table.schema);
      const disturbed = this.remade.has(table);
      const wrong = new Set(links(table, actual).map(({ name }) => name));
      const isInTheWay = (name: string): boolean => disturbed || wrong.has(name);
      const foreignKeys = actual.foreignKeys.filter(
        ({ name, parent, parentSchema }) => !isInTheWay(name) && !remadePlaces.has(`${parentSchema}.${parent}`),
      );
      for (const { name } of actual.foreignKeys.filter((key) => !foreignKeys.includes(key))) {
        const sql = `ALTER TABLE ${target} DROP FOREIGN KEY ${quoteName(name)}`;
        steps.push(this.step('drop', table, sql, `foreign key ${name} is in the way or wrong`));
      }
      const triggers = actual.triggers.filter(({ name }) => !isInTheWay(name));
      for (const { name } of actual.triggers.filter((trigger) => !triggers.includes(trigger))) {
        const sql = `DROP TRIGGER ${names.named(name, table.schema)}`;
        steps.push(this.step('drop', table, sql, `trigger ${name} is in the way or wrong`));
      }
      this.kept.set(table, { ...actual, foreignKeys, triggers });
    }
    return steps;
  }

  private create(table: DesiredTable): Step[] {
    const { names } = this;
    const target = names.named(table.name, table.schema);
    if (!this.remade.has(table)) return this.mendRange(table, target);
    const { idIncrement } = this.sides.server;
    const first = firstShadowId(table.real, names.gap(table.label), table.label, idIncrement);
    if (first !== undefined) this.reserve(table, first, first);
    const { definition, hasRunColumn } = table;
    const sql = createText(definition, { target, comment: markOf(first), firstShadowId: first, hasRunColumn });
    const left = first === undefined ? '' : `; ids from ${first}, told from real ones: ${this.left(table, first)} left`;
    return [this.step('table', table, sql, `made like the real one and marked as ours in one statement${left}`)];
  }

  /** TRUNCATE sets the counter back: then shadow ids would be those of real rows. */
  private mendRange(table: DesiredTable, target: string): Step[] {
    const existing = existingTable(this.sides, table);
    const marked = existing && markedFirst(existing);
    if (existing?.autoIncrement === undefined || marked === undefined) return [];
    const [first, next] = [BigInt(marked), BigInt(existing.autoIncrement.next)];
    this.reserve(table, first, next > first ? next : first);
    if (next >= first) return [];
    const sql = `ALTER TABLE ${target} AUTO_INCREMENT = ${first}`;
    return [this.step('range', table, sql, 'the counter stands outside of the shadow range')];
  }

  private left(table: DesiredTable, next: bigint): bigint {
    return idsLeft(table.real.autoIncrement?.type ?? '', next, this.sides.server.idIncrement);
  }

  private reserve(table: DesiredTable, first: bigint, next: bigint): void {
    const column = table.real.autoIncrement?.column ?? '';
    this.reserved.push({ table: table.label, column, firstShadowId: String(first) });
    const left = this.left(table, next);
    if (isFew(left)) {
      this.wanted.warnings.push(
        `${table.label}.${column} has ${left} shadow ids left: a run must not insert more rows`,
      );
    }
  }

  /** One statement for all keys of a table: they come all or none. */
  private foreignKeys(table: DesiredTable): Step[] {
    const kept = this.kept.get(table);
    const missing = table.foreignKeys.filter((key) => !kept?.foreignKeys.some(({ name }) => name === key.name));
    if (missing.length === 0) return [];
    const list = (columns: string[]): string => columns.map(quoteName).join(', ');
    const parts = missing.map(
      (key) =>
        `ADD CONSTRAINT ${quoteName(key.name)} FOREIGN KEY (${list(key.columns)}) REFERENCES ${this.names.named(key.parent, key.parentSchema)} ` +
        `(${list(key.parentColumns)}) ON DELETE ${key.onDelete} ON UPDATE ${key.onUpdate}`,
    );
    const sql = `ALTER TABLE ${this.names.named(table.name, table.schema)} ${parts.join(', ')}`;
    return [
      this.step('foreign-key', table, sql, `refers to shadow parents: ${missing.map(foreignKeyText).join('; ')}`),
    ];
  }

  private triggers(table: DesiredTable): Step[] {
    const kept = this.kept.get(table);
    const isKept = ({ name }: TriggerModel): boolean => kept?.triggers.some((one) => one.name === name) ?? false;
    const steps: Step[] = [];
    for (const [index, trigger] of table.triggers.entries()) {
      if (isKept(trigger)) continue;
      const isSibling = (other: TriggerModel): boolean =>
        other.timing === trigger.timing && other.event === trigger.event;
      const before = table.triggers.slice(0, index).filter(isSibling).at(-1);
      const after = table.triggers.slice(index + 1).find((other) => isSibling(other) && isKept(other));
      const order = before ? `FOLLOWS ${quoteName(before.name)} ` : after ? `PRECEDES ${quoteName(after.name)} ` : '';
      const mode = trigger.sqlMode === '' ? '' : ` (sql_mode ${trigger.sqlMode})`;
      steps.push(this.trigger(table, trigger, order, `writes to shadow tables only${mode}`));
    }
    return steps;
  }

  private trigger(table: DesiredTable, trigger: TriggerModel, order: string, reason: string): Step {
    const { names } = this;
    const sql =
      `CREATE TRIGGER ${names.named(trigger.name, table.schema)} ${trigger.timing} ${trigger.event} ` +
      `ON ${names.named(table.name, table.schema)} FOR EACH ROW ${order}${trigger.body}`;
    return { ...this.step('trigger', table, sql, reason), sqlMode: trigger.sqlMode };
  }

  private sequences(): Step[] {
    const steps: Step[] = [];
    for (const { schema, name, label, state } of this.wanted.sequences) {
      const shadow = this.sides.shadow.get(schema);
      const place = `${schema}.${name}`;
      if ([...(shadow?.tables ?? []), ...(shadow?.views ?? [])].some((one) => one.name === name)) {
        throw new ShadowDbError('NAME_TAKEN', `${place} is no sequence`);
      }
      const existing = shadow?.sequences.find((one) => one.name === name);
      if (existing !== undefined) {
        if (!isMarked(existing)) throw new ShadowDbError('NAME_TAKEN', `${place} exists`);
        continue;
      }
      const gap = BigInt(this.names.gap(label));
      const isFalling = state.increment.startsWith('-');
      const first = BigInt(state.next) + (isFalling ? -gap : gap);
      if (first > BigInt(state.maximum) || first < BigInt(state.minimum)) {
        throw new ShadowDbError('AUTO_INCREMENT_RANGE', `the sequence ${label} ends before ${first}`);
      }
      const sql =
        `CREATE SEQUENCE ${this.names.named(name, schema)} START WITH ${first} MINVALUE ${state.minimum} MAXVALUE ${state.maximum} ` +
        `INCREMENT BY ${state.increment} CACHE ${state.cache} ${state.cycles ? 'CYCLE' : 'NOCYCLE'} COMMENT='${markOf(undefined)}'`;
      const reason = `defaults of shadow tables draw from it, from ${first}, and not from the real one`;
      steps.push({ kind: 'sequence', subject: label, sql, reason });
    }
    return steps;
  }

  private views(): Step[] {
    return this.wanted.views.flatMap((view): Step[] => {
      const shadow = this.sides.shadow.get(view.schema);
      const actual = shadow?.views.find(({ name }) => name === view.name);
      const place = `${view.schema}.${view.name}`;
      if ([...(shadow?.tables ?? []), ...(shadow?.sequences ?? [])].some(({ name }) => name === view.name)) {
        throw new ShadowDbError('NAME_TAKEN', `${place} is a table`);
      }
      if (actual && sameView(view, actual)) return [];
      if (actual && !this.isOurView(actual.definition)) {
        throw new ShadowDbError('NAME_TAKEN', `${place} is a view that reads no shadow table`);
      }
      return [this.view(view, actual !== undefined)];
    });
  }

  private view({ view, name, schema, label }: DesiredView, isThere: boolean): Step {
    const algorithm = view.algorithm === '' || view.algorithm === 'UNDEFINED' ? '' : `ALGORITHM = ${view.algorithm} `;
    const check = ['LOCAL', 'CASCADED'].includes(view.checkOption) ? ` WITH ${view.checkOption} CHECK OPTION` : '';
    return {
      kind: 'view',
      subject: label,
      sql: `CREATE ${isThere ? 'OR REPLACE ' : ''}${algorithm}SQL SECURITY INVOKER VIEW ${this.names.named(name, schema)} AS ${view.definition}${check}`,
      reason: 'view over shadow tables, read with the rights of its reader',
    };
  }

  /** Views carry no comment. One that reads a table that we made, and nothing real that has a shadow, is ours. */
  private isOurView(definition: string): boolean {
    const names = (schema: string, list: { name: string }[]): string[] =>
      list.map(({ name }) => `${quoteName(schema)}.${quoteName(name)}`);
    const marked = [...this.sides.shadow].flatMap(([schema, { tables }]) =>
      names(
        schema,
        tables.filter((table) => isOurs(table, schema, this.names)),
      ),
    );
    const own = this.wanted.views.map((view) => this.names.named(view.name, view.schema));
    const real = this.wanted.tables.map((table) => this.names.real(table.real.name, table.database));
    const reads = (place: string): boolean => definition.includes(place);
    return [...marked, ...own].some(reads) && !real.some(reads);
  }

  private step(kind: Step['kind'], table: DesiredTable, sql: string, reason: string): Step {
    return { kind, subject: table.label, sql, reason };
  }
}

function summary(differences: Difference[]): string {
  const texts = differences.map(({ what, name }) => (name === undefined ? what : `${what} ${name}`));
  return texts.length > 3 ? `${texts.slice(0, 3).join(', ')}, …` : texts.join(', ');
}

/** Puts the password into the text of a step. */
export function withPassword(sql: string, password: string): string {
  // the place of the password is the last one: a name may look like it
  const at = sql.lastIndexOf('{password}');
  return at === -1 ? sql : sql.slice(0, at) + quoteText(password) + sql.slice(at + '{password}'.length);
}
