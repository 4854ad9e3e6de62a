import type { Choices } from '../choices.js';

/** Text of a statement in pieces, between which any white space or comment may stand. */
export type Pieces = string[];

/** Template of pieces: what stands literally is split at white space; what follows a value directly is glued to it. */
export function sql(parts: TemplateStringsArray, ...values: readonly (string | Pieces)[]): Pieces {
  const pieces: Pieces = [];
  for (const [index, part] of parts.entries()) {
    const words = part.split(/\s+/).filter((word) => word !== '');
    if (index > 0 && /^\S/.test(part)) pieces.push(`${pieces.pop() ?? ''}${words.shift() ?? ''}`);
    pieces.push(...words);
    const value = values[index];
    if (value !== undefined) pieces.push(...(typeof value === 'string' ? [value] : value));
  }
  return pieces;
}

/** The items with a piece between them. */
export function between(separator: string, items: readonly (string | Pieces)[]): Pieces {
  return items.flatMap((item, index) => [
    ...(index > 0 ? [separator] : []),
    ...(typeof item === 'string' ? [item] : item),
  ]);
}

export const brackets = (inside: string | Pieces): Pieces => [
  '(',
  ...(typeof inside === 'string' ? [inside] : inside),
  ')',
];

const gaps = [
  ' ',
  '\n',
  '\t',
  ' /* c */ ',
  '/**/',
  ' -- from x\n',
  ' # y `z\n',
  '\r\n',
  '\f',
  " /* ' */ ",
  ' /* ; */ ',
  '--\t"\n',
  '  ',
];

/** Joins the pieces. `odd`: with any white space and comments; the case of keywords is drawn too. */
export function join(choices: Choices, pieces: Pieces): string {
  const spelling = choices.weighted([
    [6, 'upper'],
    [3, 'lower'],
    [1, 'mixed'],
  ]);
  const odd = choices.chance(20);
  let text = '';
  for (const [index, piece] of pieces.entries()) {
    if (index > 0)
      text += odd ? oddGap(choices, pieces[index - 1] as string, piece) : gap(pieces[index - 1] as string, piece);
    text += /^[A-Z_]{2,}\(?$/.test(piece) ? spell(piece, spelling) : piece;
  }
  return text;
}

/** A parameter in the pieces: they are drawn in another order than they stand in the text. */
export const parameterPiece = (index: number): string => `⟦${index}⟧`;

/** The text with `?`, and the numbers of the parameters in the order of the text. */
export function withParameters(text: string): { text: string; order: number[] } {
  const order: number[] = [];
  const result = text.replace(/⟦(\d+)⟧/g, (_, index: string) => {
    order.push(Number(index));
    return '?';
  });
  return { text: result, order };
}

/** A backtick ends and begins a token without white space, except beside another one. */
function oddGap(choices: Choices, before: string, after: string): string {
  const glued = before.endsWith('`') !== after.startsWith('`') && /[`\w)*=,]$/.test(before) && /^[`\w(*=,]/.test(after);
  return glued && choices.chance(60) ? '' : choices.pick(gaps);
}

function gap(before: string, after: string): string {
  return before.endsWith('(') || after === ')' || after === ',' ? '' : ' ';
}

function spell(word: string, spelling: string): string {
  if (spelling === 'upper') return word;
  if (spelling === 'lower') return word.toLowerCase();
  return word.replace(/[A-Z]/g, (letter, at: number) => (at % 2 === 0 ? letter : letter.toLowerCase()));
}

/** What may be written without quotes on every server: reserved words are not in here. */
const plainNames = /^[a-z_][a-z0-9_$]*$/i;
const reserved = new Set('select order group left values from key set table partition'.split(' '));

export interface Quoting {
  ansiQuotes: boolean;
  noBackslashEscapes: boolean;
}

/** A name as it may be written here; without quotes where that is possible and drawn. */
export function name(choices: Choices, text: string, { ansiQuotes }: Quoting): string {
  const plain = plainNames.test(text) && !reserved.has(text.toLowerCase());
  const way = choices.weighted([
    [plain ? 6 : 0, 'plain'],
    [3, 'backticks'],
    [ansiQuotes ? 3 : 0, 'double'],
  ]);
  if (way === 'plain') return text;
  return way === 'double' ? `"${text.replaceAll('"', '""')}"` : quoted(text);
}

export const quoted = (text: string): string => `\`${text.replaceAll('`', '``')}\``;

/** A string literal, in one of the ways that this sql_mode knows. */
export function string(choices: Choices, text: string, { ansiQuotes, noBackslashEscapes }: Quoting): string {
  const escaped = noBackslashEscapes ? text : text.replaceAll('\\', '\\\\');
  const way = choices.weighted([
    [8, 'doubled'],
    [noBackslashEscapes ? 0 : 2, 'backslash'],
    [ansiQuotes ? 0 : 3, 'double'],
    [1, 'introducer'],
    [1, 'hex'],
  ]);
  if (way === 'double') return `"${escaped.replaceAll('"', '""')}"`;
  if (way === 'backslash') return `'${escaped.replaceAll("'", "\\'")}'`;
  if (way === 'hex') return `_utf8mb4 x'${Buffer.from(text).toString('hex')}'`;
  return `${way === 'introducer' ? '_utf8mb4' : ''}'${escaped.replaceAll("'", "''")}'`;
}
