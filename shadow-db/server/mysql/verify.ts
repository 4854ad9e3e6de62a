import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import { desired } from './desired.js';
import { differences } from './drift.js';
import { inspect, type TableModel } from './inspect.js';
import { Names, type ShadowDbOptions } from './options.js';
import { markedFirst } from './range.js';

export interface Check {
  name: 'tables' | 'foreign-keys' | 'triggers' | 'ranges' | 'writes-real' | 'reads-real' | 'uses-shadow' | 'execute';
  /** Table, or account. */
  subject: string;
  ok: boolean;
  detail: string;
}

export interface Verification {
  ok: boolean;
  checks: Check[];
}

/** Rights that go beyond reading and writing rows. */
const beyondRows = /\b(?:EXECUTE|ALL PRIVILEGES|SUPER|CREATE|ALTER|DROP|TRIGGER|FILE)\b/;
/** "You may not": table, column, database, routine. */
const denied = new Set([1142, 1143, 1044, 1370]);

/**
 * Proves on the server that the shadow side is separate. With `shadowAccountDb` (a connection of the restricted account) it
 * tries INSERT, UPDATE and DELETE on every real table, each in a form that matches no row, and expects the server's refusal.
 */
export async function verify(
  db: Db,
  options: ShadowDbOptions,
  { shadowAccountDb }: { shadowAccountDb?: Db } = {},
): Promise<Verification> {
  const names = new Names(options);
  const real = await inspect(db, options.database);
  const shadow = names.schema === options.database ? real : await inspect(db, names.schema);
  const wanted = desired(real, names);
  const found = differences(wanted, shadow, names);
  const checks: Check[] = [];
  for (const { real: table, name } of wanted.tables) {
    const own = found.filter((difference) => difference.table === table.name);
    const actual = shadow.tables.find((candidate) => candidate.name === name);
    const told = (what: string[]): string =>
      own
        .filter((one) => what.includes(one.what))
        .map(({ name: part, what: kind }) => `${kind} ${part ?? ''}`.trim())
        .join(', ');
    const drifted = own
      .filter(({ what }) => what !== 'foreign-key' && what !== 'trigger')
      .map(({ what, name: part }) => `${what} ${part ?? ''}`.trim())
      .join(', ');
    checks.push({ name: 'tables', subject: name, ok: drifted === '', detail: drifted || 'there, as the real one' });
    if (actual === undefined) continue;
    const strays = actual.foreignKeys.filter(
      (key) => !wanted.tables.some((other) => key.parentSchema === names.schema && other.name === key.parent),
    );
    const keyFaults =
      strays.map((key) => `${key.name} → ${key.parentSchema}.${key.parent}`).join(', ') || told(['foreign-key']);
    checks.push({
      name: 'foreign-keys',
      subject: name,
      ok: keyFaults === '',
      detail: keyFaults || `${actual.foreignKeys.length} to shadow parents`,
    });
    const triggerFaults = told(['trigger']);
    checks.push({
      name: 'triggers',
      subject: name,
      ok: triggerFaults === '',
      detail: triggerFaults || `${actual.triggers.length} over shadow tables`,
    });
    if (table.autoIncrement) checks.push(rangeCheck(table, actual));
  }
  for (const table of real.tables) {
    // a key from elsewhere to a shadow table, or from a real table, would tie real deletes to shadow rows
    const isShadow = names.schema === options.database && wanted.tables.some(({ name }) => name === table.name);
    const strays = isShadow
      ? []
      : table.foreignKeys.filter(
          (key) => key.parentSchema === names.schema && wanted.tables.some(({ name }) => name === key.parent),
        );
    if (strays.length > 0)
      checks.push({
        name: 'foreign-keys',
        subject: table.name,
        ok: false,
        detail: 'a real table refers to a shadow table',
      });
  }
  if (shadowAccountDb) {
    const reals = real.tables.filter(
      (table) => names.schema !== options.database || !wanted.tables.some(({ name }) => name === table.name),
    );
    checks.push(
      ...(await accountChecks(
        shadowAccountDb,
        names,
        reals,
        wanted.tables.map(({ name }) => name),
      )),
    );
  }
  return { ok: checks.every(({ ok }) => ok), checks };
}

function rangeCheck(real: TableModel, shadow: TableModel): Check {
  const first = BigInt(markedFirst(shadow) ?? 0);
  const next = BigInt(shadow.autoIncrement?.next ?? 0);
  const highest = BigInt(real.autoIncrement?.highest ?? 0);
  const ok = first > highest && next >= first;
  return {
    name: 'ranges',
    subject: shadow.name,
    ok,
    detail: `real ids to ${highest}, shadow ids from ${first}, next ${next}`,
  };
}

async function accountChecks(db: Db, names: Names, reals: TableModel[], shadows: string[]): Promise<Check[]> {
  const checks: Check[] = [];
  for (const table of reals) {
    const target = names.real(table.name);
    const column = quoteName(table.columns.find(({ generation }) => generation === null)?.name ?? '');
    // none of these matches a row, so that nothing happens even where the account may do it
    const tries = {
      INSERT: `INSERT INTO ${target} (${column}) SELECT NULL FROM DUAL WHERE 1 = 0`,
      UPDATE: `UPDATE ${target} SET ${column} = NULL WHERE 1 = 0`,
      DELETE: `DELETE FROM ${target} WHERE 1 = 0`,
    };
    const faults: string[] = [];
    for (const [verb, sql] of Object.entries(tries)) {
      const outcome = await attempt(db, sql);
      if (!denied.has(outcome)) faults.push(`${verb}: ${outcome === 0 ? 'allowed' : `error ${outcome}`}`);
    }
    checks.push({
      name: 'writes-real',
      subject: table.name,
      ok: faults.length === 0,
      detail: faults.join(', ') || 'denied by the server',
    });
    const mayRead = names.mapping.classOf(names.options.database, table.name) === 'real-read';
    const outcome = await attempt(db, `SELECT 1 FROM ${target} LIMIT 0`);
    const ok = mayRead ? outcome === 0 : denied.has(outcome);
    checks.push({
      name: 'reads-real',
      subject: table.name,
      ok,
      detail: outcome === 0 ? 'may read' : `error ${outcome}`,
    });
  }
  for (const table of shadows) {
    const outcome = await attempt(db, `DELETE FROM ${names.named(table)} WHERE 1 = 0`);
    checks.push({
      name: 'uses-shadow',
      subject: table,
      ok: outcome === 0,
      detail: outcome === 0 ? 'may write' : `error ${outcome}`,
    });
  }
  const grants = (await db.query('SHOW GRANTS')).map((row) => String(Object.values(row)[0]));
  // rights on other schemas (MariaDB gives PUBLIC some on `test`) reach neither side
  const near = grants.filter((grant) =>
    [' ON *.*', ` ON ${quoteName(names.options.database)}.`, ` ON ${quoteName(names.schema)}.`].some((place) =>
      grant.includes(place),
    ),
  );
  const tooMuch = near.filter((grant) => beyondRows.test(grant.split(' ON ')[0] ?? ''));
  checks.push({
    name: 'execute',
    subject: 'account',
    ok: tooMuch.length === 0,
    detail: tooMuch.length === 0 ? 'no EXECUTE, no DDL' : 'has more rights than needed',
  });
  return checks;
}

/** Error number of the server; 0 when the statement went through, -1 for other errors. */
async function attempt(db: Db, sql: string): Promise<number> {
  try {
    await db.query(sql);
    return 0;
  } catch (error) {
    const number = (error as { errno?: unknown }).errno;
    return typeof number === 'number' ? number : -1;
  }
}
