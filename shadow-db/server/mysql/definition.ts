import { Refusal } from '../../codes.js';
import { lex, type Token } from '../../mysql/lexer.js';
import { quoteName } from '../../names.js';
import { quoteText, ShadowDbError } from '../db.js';

/**
 * A table as SHOW CREATE TABLE tells it, cut into its parts. A shadow table is made from this text and not with CREATE TABLE … LIKE: the mark, the first
 * id and the run column stand in one atomic statement, sequences in defaults can be turned to their twins, and the real table is not locked at all.
 */
export interface Definition {
  items: DefinitionItem[];
  /** ENGINE, charset, ROW_FORMAT, …; without comment, AUTO_INCREMENT and directories. */
  options: string[];
  /** `PARTITION BY …`, or empty. */
  partitioning: string;
  /** DATA DIRECTORY and INDEX DIRECTORY: shadow rows do not go to a place that somebody chose for the real ones. */
  directories: string[];
}

export interface DefinitionItem {
  kind: 'column' | 'key' | 'check' | 'foreign-key' | 'period';
  name: string;
  text: string;
  /** Sequences that the item draws from; offsets in `text`. */
  sequences: { schema: string; name: string; start: number; end: number }[];
}

/** Rows of shadow tables know their run by this column. */
export const runColumn = 'shadowline_run';
/**
 * DEFAULT (@variable) alone would keep the variable of whichever session opened the table first; a function of the session makes the server evaluate the
 * expression anew in each. A trigger would not do: with any BEFORE INSERT trigger the first row of INSERT … SELECT loses its NOT NULL values.
 * Ascii, so that it takes no more than 65 bytes of the row.
 */
export const runDefault = `if(connection_id() is null,NULL,@${quoteName(runColumn)})`;
/** Binary, since run ids that differ in case are different runs. */
export const runCollation = 'ascii_bin';
const runColumnText = `${quoteName(runColumn)} varchar(64) CHARACTER SET ascii COLLATE ${runCollation} INVISIBLE DEFAULT (${runDefault})`;

/** True for `runDefault` as a server tells it: they differ in quotes and spaces. */
export function isRunDefault(text: string | null): boolean {
  const plain = (one: string): string => one.replaceAll(/[`\s()]/g, '').toLowerCase();
  return plain(text ?? '') === plain(runDefault);
}

const lexMode = { ansiQuotes: false, noBackslashEscapes: false, openExecutableComments: true };

/** Throws ShadowDbError DEFINITION for text that is not wholly understood. */
export function parseDefinition(text: string, table: string): Definition {
  const fail = (why: string): never => {
    throw new ShadowDbError(
      'DEFINITION',
      `the definition of ${table} is not understood (${why}): ${text.slice(0, 200)}`,
    );
  };
  let tokens: Token[];
  try {
    tokens = lex(text, lexMode);
  } catch (error) {
    return fail(error instanceof Refusal ? error.detail : String(error));
  }
  const open = tokens.findIndex((token) => token.text === '(' && token.kind === 'punct');
  if (tokens[0]?.text !== 'CREATE' || tokens[1]?.text !== 'TABLE' || open !== 3)
    fail('it does not begin with CREATE TABLE');
  const items: DefinitionItem[] = [];
  let [depth, start, at] = [1, open + 1, open + 1];
  for (; at < tokens.length && depth > 0; at += 1) {
    const token = tokens[at] as Token;
    if (token.kind !== 'punct') continue;
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (depth === 0 || (depth === 1 && token.text === ',')) {
      items.push(item(text, tokens.slice(start, at), fail));
      start = at + 1;
    }
  }
  if (depth !== 0) fail('a bracket is not closed');
  return { items, ...tail(text, tokens.slice(at), fail) };
}

type Fail = (why: string) => never;

const keyWords = new Set(['PRIMARY', 'UNIQUE', 'KEY', 'INDEX', 'FULLTEXT', 'SPATIAL', 'VECTOR']);

function item(sql: string, tokens: Token[], fail: Fail): DefinitionItem {
  const [first, second, third] = tokens;
  const last = tokens.at(-1);
  if (first === undefined || last === undefined) return fail('an empty part');
  const text = sql.slice(first.start, last.end);
  const sequences = sequencesIn(tokens, first.start);
  if (first.kind === 'ident') {
    checkQualified(tokens, sequences.length, fail);
    return { kind: 'column', name: first.text, text, sequences };
  }
  if (keyWords.has(first.text)) {
    const name = tokens.find(({ kind }) => kind === 'ident')?.text ?? '';
    return { kind: 'key', name: first.text === 'PRIMARY' ? 'PRIMARY' : name, text, sequences: [] };
  }
  if (first.text === 'PERIOD') return { kind: 'period', name: 'period', text, sequences: [] };
  if (first.text === 'CONSTRAINT' && second?.kind === 'ident') {
    if (third?.text === 'FOREIGN') return { kind: 'foreign-key', name: second.text, text, sequences: [] };
    if (third?.text === 'CHECK') {
      checkQualified(tokens, 0, fail);
      return { kind: 'check', name: second.text, text, sequences: [] };
    }
  }
  return fail(`part ${text.slice(0, 80)}`);
}

/** `nextval(`schema`.`name`)` and its kind: how the server writes NEXT VALUE FOR. */
function sequencesIn(tokens: Token[], offset: number): DefinitionItem['sequences'] {
  const found: DefinitionItem['sequences'] = [];
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'word' || !/^(?:NEXTVAL|LASTVAL|SETVAL)$/.test(token.text)) continue;
    const [bracket, schema, dot, name] = tokens.slice(index + 1, index + 5);
    if (bracket?.text !== '(' || schema?.kind !== 'ident' || dot?.text !== '.' || name?.kind !== 'ident') continue;
    found.push({ schema: schema.text, name: name.text, start: schema.start - offset, end: name.end - offset });
  }
  return found;
}

/** A name with a schema anywhere else would reach out of the table. */
function checkQualified(tokens: Token[], known: number, fail: Fail): void {
  const dots = tokens.filter(
    (token, index) => token.text === '.' && token.kind === 'punct' && tokens[index + 1]?.kind === 'ident',
  );
  if (dots.length > known) fail('an expression names another schema');
}

function tail(sql: string, tokens: Token[], fail: Fail): Omit<Definition, 'items'> {
  const options: string[] = [];
  const directories: string[] = [];
  let at = 0;
  while (at < tokens.length && !(tokens[at]?.text === 'PARTITION' && tokens[at + 1]?.text === 'BY')) {
    const begin = at;
    // an option is words (DEFAULT CHARSET, WITH SYSTEM VERSIONING), then perhaps `= value`
    while (tokens[at] !== undefined && tokens[at]?.text !== '=' && !startsOption(tokens, at, begin)) at += 1;
    if (tokens[at]?.text === '=') {
      at += 2;
      if (tokens[at - 1]?.text === '(') while (at < tokens.length && tokens[at - 1]?.text !== ')') at += 1;
    }
    const last = tokens[at - 1];
    const first = tokens[begin];
    if (first === undefined || last === undefined || at === begin) return fail('its options');
    const text = sql.slice(first.start, last.end);
    if (/^(?:DATA|INDEX) DIRECTORY\b/i.test(text)) directories.push(text);
    else if (!/^(?:COMMENT|AUTO_INCREMENT)\b/i.test(text)) options.push(text);
  }
  const partitions = tokens.slice(at);
  return { options, directories, ...partitionText(sql, partitions, directories) };
}

const optionWords = new Set(['DEFAULT', 'WITH', 'PARTITION', 'DATA', 'INDEX']);

/** A new option begins at a word that is followed by "=", or that begins one of several words. */
function startsOption(tokens: Token[], at: number, begin: number): boolean {
  if (at === begin) return false;
  const token = tokens[at];
  const before = tokens[at - 1];
  if (token?.kind !== 'word') return false;
  if (optionWords.has(before?.text ?? '')) return false;
  if (before?.text === 'SYSTEM') return false;
  return optionWords.has(token.text) || tokens[at + 1]?.text === '=';
}

/** The directories of partitions fall out as well. */
function partitionText(sql: string, tokens: Token[], directories: string[]): { partitioning: string } {
  const [first] = tokens;
  if (first === undefined) return { partitioning: '' };
  let text = '';
  let from = first.start;
  // MySQL encloses it in an executable comment; a string may hold the same characters
  const plain = (gap: string): string => gap.replaceAll(/\/\*!\d*|\*\//g, ' ');
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at] as Token;
    const value = tokens[at + 3];
    text += plain(sql.slice(from, token.start));
    from = token.end;
    if (['DATA', 'INDEX'].includes(token.text) && tokens[at + 1]?.text === 'DIRECTORY' && value?.kind === 'string') {
      directories.push(sql.slice(token.start, value.end));
      from = value.end;
      at += 3;
    } else text += sql.slice(token.start, token.end);
  }
  return { partitioning: text.replace(/\s+$/, '') };
}

export interface ShadowText {
  /** Quoted. */
  target: string;
  comment: string;
  firstShadowId: bigint | undefined;
  hasRunColumn: boolean;
}

/** The one statement that makes a shadow table: there with its mark, or not at all. */
export function createText(
  definition: Definition,
  { target, comment, firstShadowId, hasRunColumn }: ShadowText,
): string {
  const items = definition.items.filter(({ kind }) => kind !== 'foreign-key').map(({ text }) => text);
  // after the last column: positions of the real ones stay
  const columns = definition.items.filter(({ kind }) => kind === 'column').length;
  if (hasRunColumn) items.splice(columns, 0, runColumnText);
  const options = [
    ...definition.options,
    ...(firstShadowId === undefined ? [] : [`AUTO_INCREMENT=${firstShadowId}`]),
    `COMMENT=${quoteText(comment)}`,
  ];
  const partitioning = definition.partitioning === '' ? '' : `\n${definition.partitioning}`;
  return `CREATE TABLE ${target} (\n  ${items.join(',\n  ')}\n) ${options.join(' ')}${partitioning}`;
}

/** Turns the sequences of defaults to their twins. */
export function withSequences(
  definition: Definition,
  twinOf: (schema: string, name: string) => { schema: string; name: string },
): Definition {
  const items = definition.items.map((one): DefinitionItem => {
    let text = '';
    let from = 0;
    for (const { schema, name, start, end } of one.sequences) {
      const twin = twinOf(schema, name);
      text += `${one.text.slice(from, start)}${quoteName(twin.schema)}.${quoteName(twin.name)}`;
      from = end;
    }
    return { ...one, text: text + one.text.slice(from), sequences: [] };
  });
  return { ...definition, items };
}

/** Parts by what they are, for comparing: foreign keys, the run column, and what is not shared fall out. */
export function comparable(definition: Definition): Map<string, string> {
  const parts = new Map<string, string>();
  for (const { kind, name, text } of definition.items) {
    if (kind !== 'foreign-key' && name !== runColumn) parts.set(`${kind} ${name}`, text);
  }
  parts.set('options', [...definition.options].sort().join(' '));
  // the server adds partitions of SYSTEM_TIME by itself
  parts.set(
    'partitions',
    definition.partitioning.replace(/^(PARTITION BY SYSTEM_TIME[\s\S]*)\bPARTITIONS \d+$/, '$1').trim(),
  );
  return parts;
}
