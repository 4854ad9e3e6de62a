import { lex, type Token } from '../../mysql/lexer.js';
import { quoteName } from '../../names.js';
import { ShadowDbError } from '../db.js';
import type { Names } from './options.js';

/**
 * Forms of the statements that change something; `#` stands for `schema`.`name`. `every`: all of them must be shadow names, as ALTER TABLE may name the
 * parent of a foreign key, and CREATE TABLE a sequence; otherwise those that stand in the form.
 */
const forms: { form: RegExp; every?: true }[] = [
  { form: /^CREATE TABLE # \( /, every: true },
  { form: /^ALTER TABLE # /, every: true },
  { form: /^DROP TABLE #$/ },
  { form: /^DELETE FROM #(?: WHERE |$)/ },
  { form: /^UPDATE # SET / },
  { form: /^INSERT INTO # / },
  { form: /^CREATE (?:OR REPLACE )?(?:ALGORITHM = (?:UNDEFINED|MERGE|TEMPTABLE) )?SQL SECURITY INVOKER VIEW # AS / },
  { form: /^DROP VIEW #$/ },
  { form: /^CREATE TRIGGER # (?:BEFORE|AFTER) (?:INSERT|UPDATE|DELETE) ON # FOR EACH ROW / },
  { form: /^DROP TRIGGER #$/ },
  { form: /^CREATE SEQUENCE # /, every: true },
  { form: /^DROP SEQUENCE #$/ },
];

/** In CREATE and ALTER TABLE these reach, or copy from, other tables or places. LIKE is an operator elsewhere. */
const reaching =
  /(?:^CREATE TABLE # \( LIKE | (?:SELECT|UNION =|CONNECTION =|RENAME|EXCHANGE|DIRECTORY =|REFERENCES (?!#)))/;

/**
 * The last gate before a statement of provisioning or clean-up is sent: throws ShadowDbError NOT_SHADOW unless it has one of
 * the known forms and everything that it changes carries a shadow name. Real tables cannot be changed through here.
 */
export function guardShadowOnly(sql: string, names: Names): void {
  const tokens = lex(sql, { ansiQuotes: false, noBackslashEscapes: false });
  const refuse = (why: string): void => {
    throw new ShadowDbError('NOT_SHADOW', `${why}: ${sql.slice(0, 80)}`);
  };
  const { text, targets } = shape(tokens, names);
  const known = forms.find(({ form }) => form.test(text));
  if (known === undefined) throw new ShadowDbError('NOT_SHADOW', `not a known form: ${sql.slice(0, 80)}`);
  if (tokens.some(({ kind, text: mark }) => kind === 'punct' && mark === ';') && !text.startsWith('CREATE TRIGGER')) {
    refuse('more than one statement');
  }
  const needed = known.every ? targets.length : known.form.source.split('#').length - 1;
  for (const target of targets.slice(0, needed)) if (!target.shadow) refuse(`${target.name} is no shadow`);
  if (targets.length === 0 || targets.length < needed) refuse('no target');
  if (/^(?:CREATE|ALTER) TABLE/.test(text) && reaching.test(text)) refuse('it reaches another table');
}

/**
 * The same for what is not a table: a shadow schema, the account itself, and its rights: those on rows for shadow names, SELECT for others.
 * `who`: the account, as it stands in statements.
 */
export function guardAccount(sql: string, names: Names, who: string): void {
  const schemas = names.databases.map((database) => names.shadowSchema(database));
  if (names.options.mode === 'schema' && schemas.some((schema) => sql === `CREATE DATABASE ${quoteName(schema)}`))
    return;
  if (['CREATE', 'ALTER'].some((verb) => sql === `${verb} USER ${who} IDENTIFIED BY {password}`)) return;
  const rest = sql.endsWith(` TO ${who}`) ? ` TO ${who}` : ` FROM ${who}`;
  const match = /^(GRANT|REVOKE) ([A-Z, ]+) ON (.+)$/s.exec(sql.endsWith(rest) ? sql.slice(0, -rest.length) : '');
  const { text, targets } = shape(lex(match?.[3] ?? '', { ansiQuotes: false, noBackslashEscapes: false }), names);
  const rights = match?.[2]?.split(', ') ?? [];
  const isRead = rights.join() === 'SELECT';
  const isKnown = rights.every((right) => ['SELECT', 'INSERT', 'UPDATE', 'DELETE'].includes(right));
  if (match && text === '#' && isKnown && (isRead || match[1] === 'REVOKE' || targets[0]?.shadow)) return;
  throw new ShadowDbError('NOT_SHADOW', `not a known form: ${sql.slice(0, 80)}`);
}

/** The words in upper case, with every `schema`.`name` turned into "#". */
function shape(tokens: Token[], names: Names): { text: string; targets: { name: string; shadow: boolean }[] } {
  const words: string[] = [];
  const targets: { name: string; shadow: boolean }[] = [];
  for (let at = 0; at < tokens.length; at += 1) {
    const [first, dot, second] = [tokens[at], tokens[at + 1], tokens[at + 2]];
    if (first?.kind === 'ident' && dot?.text === '.' && second?.kind === 'ident') {
      targets.push({ name: `${first.text}.${second.text}`, shadow: isShadow(first.text, second.text, names) });
      words.push('#');
      at += 2;
    } else if (first !== undefined) {
      words.push(first.kind === 'word' ? first.text : first.kind === 'ident' ? 'name' : first.text || 'value');
    }
  }
  return { text: words.join(' '), targets };
}

function isShadow(schema: string, name: string, names: Names): boolean {
  const database = names.databases.find((one) => names.shadowSchema(one) === schema);
  if (database === undefined) return false;
  if (names.options.mode === 'schema') return !names.databases.includes(schema);
  const { suffix } = names.mapping;
  return name.length > suffix.length && names.mapping.fold(name).endsWith(names.mapping.fold(suffix));
}
