import { quoteName } from '../../names.js';
import { type Db, quoteText, ShadowDbError } from '../db.js';
import type { SeedPlan } from '../seed/plan.js';
import { estimatedRows, isSeedDue, seedPlanOf } from '../seed/sources.js';
import { accountSteps, accountWarnings, type GrantState, readGrants } from './account.js';
import { type Desired, type DesiredTable, desired } from './desired.js';
import { foreignKeyText, links, structure, triggerText } from './drift.js';
import { type ForeignKeyModel, inspect, type SchemaModel, type TableModel } from './inspect.js';
import { Names, type ShadowDbOptions } from './options.js';
import { firstShadowId, isMarked, markedFirst, markOf, type ReservedRange } from './range.js';

export interface Step {
  kind: 'schema' | 'drop' | 'table' | 'range' | 'seed' | 'foreign-key' | 'trigger' | 'view' | 'account' | 'grant';
  /** The real table, view or account that the step is about. */
  subject: string;
  /** As it is sent, except that `{password}` stands for the account's password. */
  sql: string;
  reason: string;
}

export interface Plan {
  options: Omit<ShadowDbOptions, 'account'> & { account?: { user: string; host: string } };
  steps: Step[];
  /** What is left out, and why. */
  warnings: string[];
  reserved: ReservedRange[];
  /** What the steps of kind `seed` show. */
  seed?: SeedPlan;
}

/** Reads both sides and says what would have to be done; changes nothing. Throws ShadowDbError. */
export async function plan(db: Db, options: ShadowDbOptions): Promise<Plan> {
  const names = new Names(options);
  const real = await inspect(db, options.database);
  const shadow = names.schema === options.database ? real : await inspect(db, names.schema);
  const seed = seedPlanOf(desired(real, names), names, shadow, await estimatedRows(db, options.database));
  const isThere = (table: string): boolean => shadow.tables.some(({ name }) => name === table);
  const isDue = seed !== undefined && (await isSeedDue(db, seed, isThere));
  const result = planFrom(
    { real, shadow, grants: await readGrants(db, options.account), ...(isDue && { seed }) },
    options,
  );
  result.warnings.push(...(await accountWarnings(db, options.account)));
  return result;
}

export interface Situation {
  real: SchemaModel;
  shadow: SchemaModel;
  /** How shadow tables are filled, when there is something to fill. */
  seed?: SeedPlan;
  /** undefined: the account does not exist. */
  grants: GrantState | undefined;
}

/** Pure part of `plan`. */
export function planFrom(situation: Situation, options: ShadowDbOptions): Plan {
  const { account, ...rest } = options;
  const names = new Names(options);
  const wanted = desired(situation.real, names);
  const builder = new Planner(names, wanted, situation);
  const steps = [...builder.steps(), ...accountSteps(names, situation.grants)];
  const shown = account && { user: account.user, host: account.host ?? '%' };
  return {
    options: { ...rest, ...(shown && { account: shown }) },
    steps,
    warnings: [...wanted.warnings, ...(situation.seed?.warnings ?? [])],
    reserved: builder.reserved,
    ...(situation.seed && { seed: situation.seed }),
  };
}

class Planner {
  readonly reserved: ReservedRange[] = [];
  private readonly names: Names;
  private readonly wanted: Desired;
  private readonly situation: Situation;
  /** Links of the shadow tables that are still there when the adding of links begins. */
  private readonly kept = new Map<string, TableModel>();

  constructor(names: Names, wanted: Desired, situation: Situation) {
    this.names = names;
    this.wanted = wanted;
    this.situation = situation;
  }

  steps(): Step[] {
    const { names, wanted, situation } = this;
    const steps: Step[] = [];
    if (!situation.shadow.exists) {
      const sql = `CREATE DATABASE ${quoteName(names.schema)}`;
      steps.push({ kind: 'schema', subject: names.schema, sql, reason: 'the shadow schema does not exist' });
    }
    const remade = wanted.tables.filter((table) => this.mustRemake(table));
    steps.push(...this.unlink(remade));
    for (const table of remade) {
      if (this.existing(table))
        steps.push(this.step('drop', table, `DROP TABLE ${names.named(table.name)}`, 'its structure has drifted'));
    }
    for (const table of wanted.tables) steps.push(...this.create(table, remade.includes(table)));
    for (const { table, sql, reason } of situation.seed?.steps ?? []) {
      steps.push({ kind: 'seed', subject: table, sql, reason });
    }
    for (const table of wanted.tables) steps.push(...this.link(table));
    return [...steps, ...this.views()];
  }

  private existing(table: DesiredTable): TableModel | undefined {
    return this.situation.shadow.tables.find(({ name }) => name === table.name);
  }

  private mustRemake(table: DesiredTable): boolean {
    const existing = this.existing(table);
    if (this.situation.shadow.views.some(({ name }) => name === table.name)) {
      throw new ShadowDbError('NAME_TAKEN', `${this.names.schema}.${table.name} is a view`);
    }
    if (existing === undefined) return true;
    if (!isMarked(existing)) throw new ShadowDbError('NAME_TAKEN', `${this.names.schema}.${table.name} exists`);
    return structure(table, existing).length > 0;
  }

  /** Takes away keys and triggers that are wrong, or in the way of a drop. */
  private unlink(remade: DesiredTable[]): Step[] {
    const { names, situation, wanted } = this;
    const steps: Step[] = [];
    for (const actual of situation.shadow.tables) {
      const table = wanted.tables.find(({ name }) => name === actual.name);
      if (table === undefined) continue;
      const disturbed = remade.includes(table);
      const wrong = links(table, actual).map(({ what, name }) => `${what} ${name}`);
      const foreignKeys = actual.foreignKeys.filter(({ name, parent }) => {
        if (!disturbed && !wrong.includes(`foreign-key ${name}`) && !remade.some((other) => other.name === parent))
          return true;
        const sql = `ALTER TABLE ${names.named(actual.name)} DROP FOREIGN KEY ${quoteName(name)}`;
        steps.push(this.step('drop', table, sql, `foreign key ${name} is in the way or wrong`));
        return false;
      });
      const triggers = actual.triggers.filter(({ name }) => {
        if (!disturbed && !wrong.includes(`trigger ${name}`)) return true;
        steps.push(
          this.step('drop', table, `DROP TRIGGER ${names.named(name)}`, `trigger ${name} is in the way or wrong`),
        );
        return false;
      });
      this.kept.set(table.name, { ...actual, foreignKeys, triggers });
    }
    return steps;
  }

  private create(table: DesiredTable, remake: boolean): Step[] {
    const { names } = this;
    const target = names.named(table.name);
    const ids = table.real.autoIncrement;
    if (!remake) {
      const first = markedFirst(this.existing(table) as TableModel);
      if (ids && first !== undefined) this.reserve(table, ids.column, first);
      return [];
    }
    const first = firstShadowId(table.real, names.gap(table.real.name));
    if (ids && first !== undefined) this.reserve(table, ids.column, String(first));
    const from = first === undefined ? '' : `, AUTO_INCREMENT = ${first}`;
    const reason =
      first === undefined
        ? 'marked as a shadow table'
        : `ids from ${first}: told from real ones, and never in their way`;
    return [
      this.step(
        'table',
        table,
        `CREATE TABLE ${target} LIKE ${names.real(table.real.name)}`,
        'shadow table with indexes, checks and partitions',
      ),
      this.step('range', table, `ALTER TABLE ${target} COMMENT = '${markOf(first)}'${from}`, reason),
    ];
  }

  private reserve(table: DesiredTable, column: string, firstShadowId: string): void {
    this.reserved.push({ table: table.real.name, column, firstShadowId });
  }

  private link(table: DesiredTable): Step[] {
    const { names } = this;
    const kept = this.kept.get(table.name);
    const steps: Step[] = [];
    for (const key of table.foreignKeys) {
      if (kept?.foreignKeys.some(({ name }) => name === key.name)) continue;
      const list = (columns: string[]): string => columns.map(quoteName).join(', ');
      const sql =
        `ALTER TABLE ${names.named(table.name)} ${ownIndexes(table, key)}ADD CONSTRAINT ${quoteName(key.name)} FOREIGN KEY (${list(key.columns)}) ` +
        `REFERENCES ${names.named(key.parent)} (${list(key.parentColumns)}) ON DELETE ${key.onDelete} ON UPDATE ${key.onUpdate}`;
      steps.push(this.step('foreign-key', table, sql, `refers to the shadow parent: ${foreignKeyText(key)}`));
    }
    for (const trigger of table.triggers) {
      if (kept?.triggers.some(({ name }) => name === trigger.name)) continue;
      const sql =
        `CREATE TRIGGER ${names.named(trigger.name)} ${trigger.timing} ${trigger.event} ON ${names.named(table.name)} ` +
        `FOR EACH ROW ${trigger.body}`;
      steps.push(this.step('trigger', table, sql, `writes to shadow tables: ${triggerText(trigger).slice(0, 80)}`));
    }
    return steps;
  }

  private views(): Step[] {
    const { names, situation, wanted } = this;
    return wanted.views
      .filter((view) => !situation.shadow.views.some(({ name }) => name === view.name))
      .map((view) => ({
        kind: 'view',
        subject: view.name,
        sql: `CREATE SQL SECURITY INVOKER VIEW ${names.named(view.name)} AS ${view.definition}`,
        reason: 'view over shadow tables, read with the rights of its reader',
      }));
  }

  private step(kind: Step['kind'], table: DesiredTable, sql: string, reason: string): Step {
    return { kind, subject: table.real.name, sql, reason };
  }
}

/** Puts the password into the text of a step. */
export function withPassword(sql: string, password: string): string {
  return sql.replace('{password}', () => quoteText(password));
}

/**
 * MariaDB makes an index for a foreign key that has none, remembers through CREATE TABLE … LIKE that it was made, and replaces it by one that is named after
 * the new constraint. Made again by name, in the same statement, it stays: index hints name it.
 */
function ownIndexes(table: DesiredTable, key: ForeignKeyModel): string {
  const columns = key.columns.join();
  return table.real.indexes
    .filter((index) => !index.unique && index.columns.join() === columns)
    .map(
      ({ name }) =>
        `DROP INDEX ${quoteName(name)}, ADD INDEX ${quoteName(name)} (${key.columns.map(quoteName).join(', ')}), `,
    )
    .join('');
}
