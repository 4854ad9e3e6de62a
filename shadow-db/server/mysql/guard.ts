import { lex, type Token } from '../../mysql/lexer.js';
import { ShadowDbError } from '../db.js';
import type { Names } from './options.js';

/** Forms of the statements that change something; `#` stands for `schema`.`name`, which must be a shadow name. */
const forms = [
  /^CREATE TABLE #/,
  /^ALTER TABLE #/,
  /^DROP TABLE #$/,
  /^DELETE FROM #(?: WHERE |$)/,
  /^INSERT INTO # /,
  /^CREATE (?:OR REPLACE )?SQL SECURITY INVOKER VIEW # AS /,
  /^DROP VIEW #$/,
  /^CREATE TRIGGER # (?:BEFORE|AFTER) (?:INSERT|UPDATE|DELETE) ON # /,
  /^DROP TRIGGER #$/,
];

/**
 * The last gate before a statement of provisioning or clean-up is sent: throws ShadowDbError NOT_SHADOW unless it has one of
 * the known forms and everything that it changes carries a shadow name. Real tables cannot be changed through here.
 */
export function guardShadowOnly(sql: string, names: Names): void {
  const tokens = lex(sql, { ansiQuotes: false, noBackslashEscapes: false });
  const { text, targets } = shape(tokens, names);
  const form = forms.find((pattern) => pattern.test(text));
  if (form === undefined) throw new ShadowDbError('NOT_SHADOW', `not a known form: ${sql.slice(0, 80)}`);
  // ALTER TABLE may name a second table: the parent of a foreign key
  const needed = text.startsWith('ALTER TABLE') ? targets.length : form.source.split('#').length - 1;
  for (const target of targets.slice(0, needed))
    if (!target.shadow) throw new ShadowDbError('NOT_SHADOW', `${target.name} is no shadow`);
  if (targets.length === 0 || targets.length < needed)
    throw new ShadowDbError('NOT_SHADOW', `no target in ${sql.slice(0, 80)}`);
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
  if (schema !== names.schema) return false;
  const { mode, database } = names.options;
  if (mode === 'schema') return schema !== database;
  const { suffix } = names.mapping;
  return name.length > suffix.length && name.endsWith(suffix);
}
