import { quoteName } from '../../names.js';
import { type Db, quoteText, ShadowDbError, textOf } from '../db.js';
import type { Desired } from './desired.js';
import type { Account, Names } from './options.js';
import { isOurs } from './range.js';
import { unsafeViews } from './real-views.js';
import { coversSchema, type Grant, parseGrants } from './rights.js';
import type { Sides } from './sides.js';
import type { Step } from './step.js';

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
  const others = await db.query(
    "SELECT User AS user, Host AS host FROM mysql.user WHERE User IN ('', ?) AND Host <> ''",
    [account.user],
  );
  const own = account.host ?? '%';
  return [
    ...warnings,
    ...others
      .map((row) => ({ user: textOf(row.user), host: textOf(row.host) }))
      .filter(({ host }) => beforeWildcard(host) > beforeWildcard(own))
      .map((other) => {
        const what = other.user === '' ? 'the anonymous account ' : '';
        return `connections from ${other.host} are taken by ${what}${accountName(other)} before ${accountName(account)}: drop it, or set account.host`;
      }),
  ];
}

/** The server looks for the most specific host first, whatever the user: an anonymous account, or another of the same name, can be chosen before ours. */
function beforeWildcard(host: string): number {
  const at = host.search(/[%_]/);
  return at === -1 ? Number.POSITIVE_INFINITY : at;
}

/** Grants to PUBLIC (MariaDB 10.11), and those of anonymous users on schemas, which the server gives to everybody, that reach one of the schemas of either side. */
export async function publicGrants(db: Db, names: Names): Promise<string[]> {
  const schemas = names.databases.flatMap((database) => [database, names.shadowSchema(database)]);
  return [...(await grantsToPublic(db)), ...(await anonymousGrants(db))]
    .filter((grant) => schemas.some((schema) => coversSchema(grant, schema)))
    .filter(({ rights }) => rights.some((right) => right !== 'USAGE'))
    .map(({ line }) => line);
}

async function grantsToPublic(db: Db): Promise<Grant[]> {
  try {
    const rows = await db.query('SHOW GRANTS FOR PUBLIC');
    return parseGrants(rows.map((row) => String(Object.values(row)[0])));
  } catch {
    // servers without PUBLIC do not know the statement
    return [];
  }
}

/** Measured on MariaDB 11.4: a row of mysql.db whose user is empty holds for every user who has no row of his own for that schema. No SHOW GRANTS tells it. */
async function anonymousGrants(db: Db): Promise<Grant[]> {
  let rows: Record<string, unknown>[];
  try {
    rows = await db.query("SELECT * FROM mysql.db WHERE User = ''");
  } catch (error) {
    const line = `what anonymous users may do, and so everybody, could not be read: ${error instanceof Error ? error.message : String(error)}`;
    return [{ rights: ['?'], schema: '*', table: '*', hasColumns: false, grantOption: false, who: '', line }];
  }
  return rows.map((row): Grant => {
    const [who, schema] = [accountName({ user: '', host: textOf(row.Host) }), textOf(row.Db)];
    const rights = Object.entries(row)
      .filter(([name, value]) => name.endsWith('_priv') && value === 'Y')
      .map(([name]) => name.slice(0, -'_priv'.length).replaceAll('_', ' ').toUpperCase());
    const line = `${rights.join(', ')} ON ${quoteName(schema)}.* of the anonymous ${who}`;
    return { rights, schema, table: '*', hasColumns: false, grantOption: false, who, line };
  });
}

/**
 * The right that speaks against an account being ours; undefined: it may be taken over, or dropped. All its rights must be of the kind that this module gives, and
 * one of them on a shadow, unless it has none: an account that only reads real tables is a report's, or an analyst's.
 */
export function foreignGrant(grants: GrantState, names: Names): string | undefined {
  const rights = grants.filter((grant) => !/^GRANT USAGE ON \*\.\* (?!.* WITH (?:.* )?GRANT OPTION)/.test(grant));
  const foreign = rights.find((grant) => kindOf(grant, names) === 'foreign');
  return foreign ?? (rights.some((grant) => kindOf(grant, names) === 'shadow') ? undefined : rights[0]);
}

function kindOf(grant: string, names: Names): 'shadow' | 'read' | 'foreign' {
  const [parsed] = parseGrants([grant]);
  if (parsed === undefined || parsed.grantOption || parsed.hasColumns || parsed.table === '*') return 'foreign';
  const { schema, table, rights } = parsed;
  const isShadow =
    names.options.mode === 'schema'
      ? names.mapping.isShadowSchema(schema)
      : names.databases.includes(schema) && names.mapping.isShadowName(schema, table);
  if (isShadow && rights.every((right) => shadowRights.includes(right))) return 'shadow';
  return names.databases.includes(schema) && rights.join() === 'SELECT' ? 'read' : 'foreign';
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
    const existing = [...model.tables.filter((table) => !isOurs(table, database, names)), ...model.views].map(
      ({ name }) => name,
    );
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
    const foreign = foreignGrant(grants, names);
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
