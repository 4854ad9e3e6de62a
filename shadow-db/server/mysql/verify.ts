import { randomBytes } from 'node:crypto';
import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import { publicGrants } from './account.js';
import { runColumn } from './definition.js';
import { type Desired, type DesiredTable, desired } from './desired.js';
import { type Difference, differences, existingTable } from './drift.js';
import type { TableModel } from './model.js';
import type { Names, ShadowDbOptions } from './options.js';
import { markedFirst, reachedId } from './range.js';
import { unsafeViews } from './real-views.js';
import { coversSchema, type Grant, parseGrants } from './rights.js';
import { readSides, type Sides } from './sides.js';

export interface Check {
  name:
    | 'tables'
    | 'foreign-keys'
    | 'triggers'
    | 'ranges'
    | 'views'
    | 'sequences'
    | 'account'
    | 'writes-real'
    | 'reads-real'
    | 'changes-real'
    | 'uses-shadow'
    | 'grants'
    | 'public';
  /** Table, view, schema or account. */
  subject: string;
  ok: boolean;
  detail: string;
}

export interface Verification {
  ok: boolean;
  checks: Check[];
}

/** "You may not": table, column, database, routine, everything. */
const denied = new Set([1142, 1143, 1044, 1370, 1227]);

/**
 * Proves on the server that the shadow side is separate. With `shadowAccountDb` (connections of the restricted account) it tries what the account must not
 * be able to do, each in a form that changes nothing even where it is allowed: INSERT, UPDATE, DELETE and SELECT on every real table and view,
 * CREATE, ALTER, DROP and TRUNCATE in every real schema. What cannot be tried without harm is read from its grants, those of roles and of PUBLIC included.
 */
export async function verify(
  db: Db,
  options: ShadowDbOptions,
  { shadowAccountDb }: { shadowAccountDb?: Db } = {},
): Promise<Verification> {
  const sides = await readSides(db, options);
  const wanted = desired(sides);
  const found = differences(wanted, sides);
  const checks: Check[] = wanted.tables.flatMap((table) => tableChecks(table, found, sides));
  for (const { label, schema, name } of [...wanted.views, ...wanted.sequences]) {
    const fault = found.find(({ what, table }) => table === label && (what === 'view' || what === 'sequence'));
    const kind = wanted.views.some((view) => view.schema === schema && view.name === name) ? 'views' : 'sequences';
    checks.push(
      check(kind, `${schema}.${name}`, fault && (fault.shadow === undefined ? 'missing' : `reads ${fault.shadow}`)),
    );
  }
  const shadowPlaces = new Set(wanted.tables.map(({ schema, name }) => `${schema}.${name}`));
  for (const [database, { tables }] of sides.real) {
    for (const table of tables) {
      if (shadowPlaces.has(`${database}.${table.name}`)) continue;
      // a key from a real table to a shadow one would tie real deletes to shadow rows
      if (table.foreignKeys.every((key) => !shadowPlaces.has(`${key.parentSchema}.${key.parent}`))) continue;
      checks.push(check('foreign-keys', `${database}.${table.name}`, 'a real table refers to a shadow table'));
    }
  }
  if (shadowAccountDb) checks.push(...(await accountChecks(db, shadowAccountDb, sides, wanted)));
  return { ok: checks.every(({ ok }) => ok), checks };
}

function check(name: Check['name'], subject: string, fault: string | undefined, good = 'as it should be'): Check {
  return { name, subject, ok: !fault, detail: fault || good };
}

function tableChecks(table: DesiredTable, found: Difference[], sides: Sides): Check[] {
  const { label, schema, name } = table;
  const subject = `${schema}.${name}`;
  const own = found.filter((difference) => difference.table === label);
  const told = (are: (what: Difference['what']) => boolean): string =>
    own
      .filter(({ what }) => are(what))
      .map(({ what, name: part }) => `${what} ${part ?? ''}`.trim())
      .join(', ');
  const isLink = (what: string): boolean => ['foreign-key', 'trigger', 'range'].includes(what);
  const checks = [
    check(
      'tables',
      subject,
      told((what) => !isLink(what)),
      'there, as the real one',
    ),
  ];
  const actual = existingTable(sides, table);
  if (actual === undefined) return checks;
  const strays = actual.foreignKeys.filter((key) => !sides.names.mapping.isShadowName(key.parentSchema, key.parent));
  const keyFaults =
    strays.map((key) => `${key.name} → ${key.parentSchema}.${key.parent}`).join(', ') ||
    told((what) => what === 'foreign-key');
  checks.push(check('foreign-keys', subject, keyFaults, `${actual.foreignKeys.length} to shadow parents`));
  const triggerFaults = told((what) => what === 'trigger');
  checks.push(check('triggers', subject, triggerFaults, `${actual.triggers.length} that write to shadow tables`));
  if (markedFirst(actual) !== undefined) checks.push(rangeCheck(table.real, actual, subject));
  return checks;
}

function rangeCheck(real: TableModel, shadow: TableModel, subject: string): Check {
  const first = BigInt(markedFirst(shadow) ?? 0);
  const next = BigInt(shadow.autoIncrement?.next ?? 0);
  const reached = reachedId(real);
  const detail = `real ids to ${reached}, shadow ids from ${first}, next ${next}`;
  return { name: 'ranges', subject, ok: first > reached && next >= first, detail };
}

async function accountChecks(db: Db, shadowDb: Db, sides: Sides, wanted: Desired): Promise<Check[]> {
  const { names } = sides;
  const checks = [await identityCheck(shadowDb, names)];
  const shadowPlaces = new Set([...wanted.tables, ...wanted.views].map(({ schema, name }) => `${schema}.${name}`));
  const unsafe = unsafeViews(sides);
  for (const [database, model] of sides.real) {
    const relations = [
      ...model.tables.map(({ name, columns }) => ({
        name,
        columns: columns.filter(({ generation }) => generation === null).map((column) => column.name),
      })),
      ...model.views,
    ];
    for (const { name, columns } of relations) {
      if (shadowPlaces.has(`${database}.${name}`)) continue;
      const mayRead = names.mapping.classOf(database, name) === 'real-read' && !unsafe.has(`${database}.${name}`);
      checks.push(
        ...(await relationChecks(shadowDb, names, { database, name, column: columns[0] ?? runColumn, mayRead })),
      );
    }
    checks.push(await schemaCheck(shadowDb, database, relations[0]?.name));
  }
  for (const { schema, name } of wanted.tables) {
    const error = await attempt(shadowDb, `DELETE FROM ${names.named(name, schema)} WHERE 1 = 0`);
    const fault = error === 0 ? undefined : `cannot write: error ${error}`;
    checks.push(check('uses-shadow', `${schema}.${name}`, fault, 'may write'));
  }
  const lines = (await shadowDb.query('SHOW GRANTS')).map((row) => String(Object.values(row)[0]));
  checks.push(grantsCheck(lines, names));
  const fromPublic = await publicGrants(db, names);
  checks.push(check('public', 'PUBLIC', fromPublic.join('; '), 'everybody has no right on either side'));
  return checks;
}

/** An anonymous account, or one of a narrower host, may have been chosen in place of ours. */
async function identityCheck(shadowDb: Db, names: Names): Promise<Check> {
  const { account } = names.options;
  const [row] = await shadowDb.query('SELECT CURRENT_USER() AS who');
  const who = String(row?.who ?? '');
  const wanted = account && `${account.user}@${account.host ?? '%'}`;
  return check(
    'account',
    who,
    wanted === undefined || wanted === who ? undefined : `the server took ${who} for ${wanted}`,
  );
}

/** None of these matches a row, so that nothing happens even where the account may do it. */
async function relationChecks(
  db: Db,
  names: Names,
  { database, name, column: first, mayRead }: { database: string; name: string; column: string; mayRead: boolean },
): Promise<Check[]> {
  const target = names.real(name, database);
  const column = quoteName(first);
  const faults: string[] = [];
  for (const [verb, sql] of Object.entries({
    INSERT: `INSERT INTO ${target} (${column}) SELECT NULL FROM DUAL WHERE 1 = 0`,
    UPDATE: `UPDATE ${target} SET ${column} = NULL WHERE 1 = 0`,
    DELETE: `DELETE FROM ${target} WHERE 1 = 0`,
  })) {
    const error = await attempt(db, sql);
    if (!denied.has(error)) faults.push(`${verb}: ${error === 0 ? 'allowed' : `error ${error}`}`);
  }
  const subject = `${database}.${name}`;
  const error = await attempt(db, `SELECT 1 FROM ${target} LIMIT 0`);
  const isRight = mayRead ? error === 0 : denied.has(error);
  return [
    check('writes-real', subject, faults.join(', '), 'denied by the server'),
    { name: 'reads-real', subject, ok: isRight, detail: error === 0 ? 'may read' : `error ${error}` },
  ];
}

/** Tables that do not exist are dropped and altered, and one that exists is created: rights are asked for first. */
async function schemaCheck(db: Db, database: string, existing: string | undefined): Promise<Check> {
  const nowhere = `${quoteName(database)}.${quoteName(`shadowline_${randomBytes(8).toString('hex')}`)}`;
  const faults: string[] = [];
  for (const [verb, sql] of Object.entries({
    DROP: `DROP TABLE ${nowhere}`,
    ALTER: `ALTER TABLE ${nowhere} ADD COLUMN a INT`,
    TRUNCATE: `TRUNCATE TABLE ${nowhere}`,
    ...(existing !== undefined && {
      CREATE: `CREATE TABLE IF NOT EXISTS ${quoteName(database)}.${quoteName(existing)} (a INT)`,
    }),
  })) {
    const error = await attempt(db, sql);
    if (!denied.has(error)) faults.push(`${verb}: ${error === 0 ? 'allowed' : `error ${error}`}`);
  }
  return check('changes-real', database, faults.join(', '), 'CREATE, ALTER, DROP and TRUNCATE are denied');
}

const rowRights = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** What the account has, roles included, must be rights on rows of single tables. Rights on schemas of neither side reach nothing of ours. */
function grantsCheck(lines: string[], names: Names): Check {
  const grants = parseGrants(lines);
  const schemas = names.databases.flatMap((database) => [database, names.shadowSchema(database)]);
  const faults = [
    ...lines
      .filter((line) => /^GRANT (?:[`"]|EXECUTE|PROXY)/.test(line))
      .map((line) => line.replace(/ IDENTIFIED .*$/, '')),
    ...grants
      .filter((grant) => schemas.some((schema) => coversSchema(grant, schema)) && isTooMuch(grant))
      .map(({ line }) => line),
  ];
  return check('grants', 'account', faults.join('; '), 'rights on rows of single tables; no EXECUTE, no DDL, no roles');
}

function isTooMuch({ schema, table, rights, grantOption, hasColumns }: Grant): boolean {
  const real = rights.filter((right) => right !== 'USAGE');
  if (real.length === 0) return grantOption;
  return (
    grantOption || hasColumns || schema === '*' || table === '*' || !real.every((right) => rowRights.includes(right))
  );
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
