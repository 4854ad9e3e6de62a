import { type Db, quoteText, ShadowDbError } from '../db.js';
import type { Desired } from './desired.js';
import type { Account, Names } from './options.js';
import type { Step } from './plan.js';
import { isMarked } from './range.js';
import { unsafeViews } from './real-views.js';
import { coversSchema, parseGrants } from './rights.js';
import type { Sides } from './sides.js';

/** Lines of SHOW GRANTS. */
export type GrantState = string[];

export function accountName(account: { user: string; host?: string }): string {
  return `${quoteText(account.user)}@${quoteText(account.host ?? '%')}`;
}

/** undefined: no account wanted, or it does not exist. */
export async function readGrants(db: Db, account: Account | undefined): Promise<GrantState | undefined> {
  if (account === undefined) return undefined;
  const rows = await db.query('SELECT 1 FROM mysql.user WHERE User = ? AND Host = ?', [
    account.user,
    account.host ?? '%',
  ]);
  if (rows.length === 0) return undefined;
  const grants = await db.query(`SHOW GRANTS FOR ${accountName(account)}`);
  return grants.map((row) => String(Object.values(row)[0]));
}

/** What undermines the account: another one that is chosen before it, and what everybody may do anyway. */
export async function accountWarnings(db: Db, names: Names): Promise<string[]> {
  const { account } = names.options;
  if (account === undefined) return [];
  const fromPublic = await publicGrants(db, names);
  const warnings = fromPublic.map(
    (line) => `everybody, ${accountName(account)} too, may do more than it should: ${line}`,
  );
  // MySQL looks for the most specific host first, so an anonymous account can be chosen before `user`@`%`
  if ((account.host ?? '%') !== '%') return warnings;
  const rows = await db.query("SELECT Host AS host FROM mysql.user WHERE User = '' AND Host <> '%'");
  return [
    ...warnings,
    ...rows.map(
      ({ host }) =>
        `connections from ${host} are taken by the anonymous account ''@'${host}' before ${accountName(account)}: drop it, or set account.host`,
    ),
  ];
}

/** Grants to PUBLIC (MariaDB 10.11) that reach one of the schemas of either side. */
export async function publicGrants(db: Db, names: Names): Promise<string[]> {
  let rows: Record<string, unknown>[];
  try {
    rows = await db.query('SHOW GRANTS FOR PUBLIC');
  } catch {
    // servers without PUBLIC do not know the statement
    return [];
  }
  const schemas = names.databases.flatMap((database) => [database, names.shadowSchema(database)]);
  return parseGrants(rows.map((row) => String(Object.values(row)[0])))
    .filter((grant) => schemas.some((schema) => coversSchema(grant, schema)))
    .filter(({ rights }) => rights.some((right) => right !== 'USAGE'))
    .map(({ line }) => line);
}

/** An account may be taken over only when all its rights are of the kind that this module gives. */
export function isOurs(grant: string, names: Names): boolean {
  if (/^GRANT USAGE ON \*\.\* /.test(grant)) return true;
  const [parsed] = parseGrants([grant]);
  if (parsed === undefined || parsed.grantOption || parsed.hasColumns || parsed.table === '*') return false;
  const { schema, table, rights } = parsed;
  if (names.databases.includes(schema) && rights.join() === 'SELECT') return true;
  const isShadow =
    names.options.mode === 'schema'
      ? names.mapping.isShadowSchema(schema)
      : names.databases.includes(schema) && names.mapping.isShadowName(schema, table);
  return isShadow && rights.every((right) => shadowRights.includes(right));
}

const shadowRights = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** What the account may do; keys are `schema`.`table`. */
export function wantedRights(sides: Sides, { tables, views, sequences }: Desired): Map<string, string[]> {
  const { names, real } = sides;
  const unsafe = unsafeViews(sides);
  const rights = new Map<string, string[]>();
  for (const { name, schema } of [...tables, ...views]) rights.set(names.named(name, schema), shadowRights);
  // what a default that draws from a sequence needs
  for (const { name, schema } of sequences) rights.set(names.named(name, schema), ['SELECT', 'INSERT']);
  for (const [database, model] of real) {
    const existing = [...model.tables.filter((table) => !isMarked(table)), ...model.views].map(({ name }) => name);
    for (const table of names.ofClass('real-read', existing, database))
      if (!unsafe.has(`${database}.${table}`)) rights.set(names.real(table, database), ['SELECT']);
  }
  return rights;
}

/** Creates the account, takes back what is too much, grants what is missing. Throws ShadowDbError ACCOUNT_TAKEN. */
export function accountSteps(sides: Sides, wanted: Desired, grants: GrantState | undefined): Step[] {
  const { names } = sides;
  const { account } = names.options;
  if (account === undefined) return [];
  const who = accountName(account);
  const subject = account.user;
  const steps: Step[] = [];
  if (grants === undefined) {
    steps.push({
      kind: 'account',
      subject,
      sql: `CREATE USER ${who} IDENTIFIED BY {password}`,
      reason: 'the backstop: no rights yet',
    });
  } else {
    const foreign = grants.find((grant) => !isOurs(grant, names));
    if (foreign !== undefined) {
      throw new ShadowDbError('ACCOUNT_TAKEN', `${who} has: ${foreign.replace(/ IDENTIFIED BY .*/, '')}`);
    }
    const sql = `ALTER USER ${who} IDENTIFIED BY {password}`;
    steps.push({ kind: 'account', subject, sql, reason: 'the password is that of the configuration' });
  }
  const rights = wantedRights(sides, wanted);
  const has = new Map<string, string>();
  for (const { schema, table, rights: list } of parseGrants(grants ?? [])) {
    if (table !== '*') has.set(names.named(table, schema), list.join(', '));
  }
  for (const [table, list] of has) {
    if (rights.get(table)?.join(', ') === list) continue;
    steps.push({
      kind: 'grant',
      subject,
      sql: `REVOKE ${list} ON ${table} FROM ${who}`,
      reason: 'not, or no longer, of this form',
    });
    has.delete(table);
  }
  for (const [table, list] of rights) {
    if (has.has(table)) continue;
    const reason = list.length > 1 ? 'shadow table: read and written' : 'reference data: read only';
    steps.push({ kind: 'grant', subject, sql: `GRANT ${list.join(', ')} ON ${table} TO ${who}`, reason });
  }
  return steps;
}
