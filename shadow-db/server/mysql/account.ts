import { quoteName } from '../../names.js';
import { type Db, quoteText, ShadowDbError } from '../db.js';
import type { Account, Names } from './options.js';
import type { Step } from './plan.js';

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

/** MySQL looks for the most specific host first, so an anonymous account can be chosen before `user`@`%`. */
export async function accountWarnings(db: Db, account: Account | undefined): Promise<string[]> {
  if (account === undefined || (account.host ?? '%') !== '%') return [];
  const rows = await db.query("SELECT Host AS host FROM mysql.user WHERE User = '' AND Host <> '%'");
  return rows.map(
    ({ host }) =>
      `connections from ${host} are taken by the anonymous account ''@'${host}' before ${accountName(account)}: drop it, or set account.host`,
  );
}

/** An account may be taken over only when all its rights are of the kind that this module gives. */
export function isOurs(grant: string, names: Names): boolean {
  if (/^GRANT USAGE ON \*\.\* /.test(grant)) return true;
  const match = /^GRANT ([A-Z, ]+) ON (?:TABLE )?`((?:[^`]|``)+)`\.`((?:[^`]|``)+)` TO /.exec(grant);
  if (!match || / WITH GRANT OPTION/.test(grant)) return false;
  const [, rights = '', schema = '', table = ''] = match;
  if (schema === names.options.database && rights.trim() === 'SELECT') return true;
  const isShadow = names.options.mode === 'schema' ? schema === names.schema : table.endsWith(names.mapping.suffix);
  return schema === names.schema && isShadow && rights.split(',').every((right) => shadowRights.includes(right.trim()));
}

const shadowRights = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** What the account may do; keys are `schema`.`table`. */
export function wantedRights(names: Names): Map<string, string[]> {
  const rights = new Map<string, string[]>();
  for (const table of names.ofClass('shadow')) rights.set(names.target(table), shadowRights);
  for (const [table, tableClass] of Object.entries(names.options.tables)) {
    if (tableClass !== 'real-read') continue;
    const dot = table.indexOf('.');
    const name =
      dot === -1 ? names.real(table) : `${quoteName(table.slice(0, dot))}.${quoteName(table.slice(dot + 1))}`;
    rights.set(name, ['SELECT']);
  }
  return rights;
}

/** Creates the account, takes back what is too much, grants what is missing. Throws ShadowDbError ACCOUNT_TAKEN. */
export function accountSteps(names: Names, grants: GrantState | undefined): Step[] {
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
  const rights = wantedRights(names);
  const has = new Map<string, string>();
  for (const grant of grants ?? []) {
    const match = /^GRANT ([A-Z, ]+) ON (?:TABLE )?(`.+`\.`.+`) TO /.exec(grant);
    if (match?.[1] && match[2]) has.set(match[2], match[1]);
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
