import { quoteName } from '../../names.js';
import { type Db, ShadowDbError } from '../db.js';
import type { Names } from './options.js';

/** One line of SHOW GRANTS. */
export interface Grant {
  /** In upper case, without column lists; ALL PRIVILEGES stands for itself. */
  rights: string[];
  /** `*`, a name, or a pattern with % and _. */
  schema: string;
  table: string;
  hasColumns: boolean;
  grantOption: boolean;
  /** User or role that has it, as the line writes it. */
  who: string;
  line: string;
}

const name = '(\\*|`(?:[^`]|``)*`|"(?:[^"]|"")*")';
/** Quoted as the session's sql_mode says. */
const grantLine = new RegExp(`^GRANT (.+?) ON (?:TABLE )?${name}\\.${name} TO (\\S+)`);

/** Lines that are no grant on tables (roles, proxies, routines) fall out. */
export function parseGrants(lines: readonly string[]): Grant[] {
  return lines.flatMap((line): Grant[] => {
    const match = grantLine.exec(line);
    if (!match) return [];
    const [, rights = '', schema = '', table = '', who = ''] = match;
    const plain = rights.replaceAll(/\s*\([^)]*\)/g, '');
    return [
      {
        rights: plain.split(',').map((right) => right.trim().toUpperCase()),
        schema: unquoted(schema),
        table: unquoted(table),
        hasColumns: plain !== rights,
        grantOption: / WITH (?:.* )?GRANT OPTION/.test(line),
        who,
        line: line.replace(/ IDENTIFIED .*$/, ''),
      },
    ];
  });
}

function unquoted(text: string): string {
  const [quote = ''] = text;
  return quote === '*' ? text : text.slice(1, -1).replaceAll(quote + quote, quote);
}

/** True when a grant on a schema or on everything gives the right; column grants do not count. */
export function hasRight(grants: readonly Grant[], right: string, schema: string): boolean {
  const gives = ({ grantOption, rights }: Grant): boolean =>
    right === 'GRANT OPTION' ? grantOption : rights.includes(right) || rights.includes('ALL PRIVILEGES');
  return candidates(grants, schema).some((group) => group.every(gives));
}

/**
 * Of the grants on schemas that fit, the server takes one alone, for each user and role: one without wildcards before all others. Which of several with
 * wildcards depends on its version, so that a right counts when all of them give it.
 */
function candidates(grants: readonly Grant[], schema: string): Grant[][] {
  const fitting = grants.filter((grant) => grant.table === '*' && coversSchema(grant, schema));
  const groups = new Map<string, Grant[]>();
  for (const grant of fitting) {
    const key = grant.schema === '*' ? '*' : grant.who;
    groups.set(key, [...(groups.get(key) ?? []), grant]);
  }
  return [...groups].flatMap(([key, group]) => {
    if (key === '*') return group.map((grant) => [grant]);
    const exact = group.filter((grant) => !hasWildcard(grant));
    return [exact.length > 0 ? exact : group];
  });
}

function hasWildcard({ schema }: Grant): boolean {
  return /[%_]/.test(schema.replaceAll(/\\[%_\\]/g, ''));
}

/** `%` and `_` are wildcards in the schema of a grant, unless a backslash stands before them. */
export function coversSchema({ schema }: Grant, name: string): boolean {
  if (schema === '*') return true;
  let pattern = '';
  for (const [part] of schema.matchAll(/\\[%_\\]|[\s\S]/g)) {
    if (part === '%') pattern += '[\\s\\S]*';
    else if (part === '_') pattern += '[\\s\\S]';
    else pattern += part.slice(-1).replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
  }
  return new RegExp(`^${pattern}$`).test(name);
}

/** What is needed to see a real schema whole: without TRIGGER and SHOW VIEW the server hides triggers and views in silence. */
const toRead = ['SELECT', 'TRIGGER', 'SHOW VIEW'];
const toMake = [
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'CREATE',
  'ALTER',
  'DROP',
  'INDEX',
  'REFERENCES',
  'TRIGGER',
  'CREATE VIEW',
  'SHOW VIEW',
];

/** Who this session is, and what it may do, enabled roles included. */
export async function ownGrants(db: Db): Promise<{ who: string; grants: Grant[] }> {
  const [row] = await db.query('SELECT CURRENT_USER() AS who');
  const who = String(row?.who ?? '');
  const at = who.lastIndexOf('@');
  const lines = (await db.query('SHOW GRANTS')).map((line) => String(Object.values(line)[0]));
  return { who: `${quoteName(who.slice(0, at))}@${quoteName(who.slice(at + 1))}`, grants: parseGrants(lines) };
}

/** Throws ShadowDbError RIGHTS with the statements to run, when this session could not see or make everything. Changes nothing. */
export async function checkRights(db: Db, names: Names, isMaking: boolean): Promise<void> {
  const { who, grants } = await ownGrants(db);
  const missing = missingRights(names, grants, isMaking);
  if (missing.length === 0) return;
  const statements = missing.map(
    ({ rights, on, option }) => `GRANT ${rights.join(', ')} ON ${on} TO ${who}${option ? ' WITH GRANT OPTION' : ''};`,
  );
  throw new ShadowDbError('RIGHTS', `this account lacks rights: ${statements.join(' ')}`);
}

/** Pure part of `checkRights`. */
export function missingRights(
  names: Names,
  grants: readonly Grant[],
  isMaking: boolean,
): { rights: string[]; on: string; option: boolean }[] {
  const needed = new Map<string, Set<string>>();
  const need = (schema: string, rights: string[]): void => {
    const all = needed.get(schema) ?? new Set();
    for (const right of rights) all.add(right);
    needed.set(schema, all);
  };
  const { account } = names.options;
  for (const database of names.databases) {
    need(database, toRead);
    // a trigger on a shadow table that is not seen would be called all the same
    if (names.shadowSchema(database) !== database) need(names.shadowSchema(database), toRead);
    const shadow = names.shadowSchema(database);
    const isShadowed = names.options.mode === 'table' || names.mapping.shadowSchemaNames.includes(shadow);
    if (isMaking && isShadowed) need(shadow, toMake);
    if (isMaking && account) {
      // only what the giver has itself can be given
      need(database, ['GRANT OPTION']);
      if (isShadowed) need(shadow, ['GRANT OPTION']);
    }
  }
  const missing: { rights: string[]; on: string; option: boolean }[] = [];
  for (const [schema, rights] of needed) {
    const lacking = [...rights].filter((right) => !hasRight(grants, right, schema));
    if (lacking.length === 0) continue;
    // the new grant is one without wildcards, which the server takes in place of those that have some: so it must hold everything
    const isNew = candidates(grants, schema).some((group) =>
      group.some((grant) => grant.schema !== '*' && hasWildcard(grant)),
    );
    const plain = (isNew ? [...rights] : lacking).filter((right) => right !== 'GRANT OPTION');
    const needsOption = (isNew ? [...rights] : lacking).includes('GRANT OPTION');
    const pattern = schema.replaceAll(/[\\%_]/g, '\\$&');
    missing.push({
      rights: plain.length > 0 ? plain : ['USAGE'],
      on: `${quoteName(pattern)}.*`,
      option: needsOption,
    });
  }
  if (isMaking && account) {
    if (!hasGlobal(grants, 'CREATE USER')) missing.push({ rights: ['CREATE USER'], on: '*.*', option: false });
    if (!hasRight(grants, 'SELECT', 'mysql')) missing.push({ rights: ['SELECT'], on: '`mysql`.*', option: false });
  }
  return missing;
}

function hasGlobal(grants: readonly Grant[], right: string): boolean {
  return grants.some(
    ({ schema, table, rights }) =>
      schema === '*' && table === '*' && (rights.includes(right) || rights.includes('ALL PRIVILEGES')),
  );
}
