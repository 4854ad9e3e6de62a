import type { Choices } from '../choices.js';

/** What tends to change the meaning of the text around it. */
const hostile = [
  ' ',
  '',
  '`',
  '"',
  "'",
  '``',
  "''",
  '\\',
  "\\'",
  '/*',
  '*/',
  '/**/',
  '/*!',
  '/*!50000 ',
  '/*M! ',
  '-- ',
  '--',
  '#',
  '\n',
  '\0',
  '\u00a0',
  '\u0127',
  ';',
  '(',
  ')',
  ',',
  '.',
  ' . ',
  '*',
  '@',
  '@@',
  '@`a`',
  '?',
  ':=',
  '=',
  '1.',
  '1e',
  '0x',
  "x'",
  "_gbk'",
  "N'",
  '{',
  '}',
  '||',
  '!',
  '\u{1f600}',
  '\ud800',
  '\ufeff',
  ' FROM ',
  ' JOIN ',
  ' UNION SELECT ',
  ' UNION ALL ',
  ' AS ',
  ' WITH ',
  ' USING ',
  ' ON ',
  ' SET ',
  ' INTO ',
  ' SELECT ',
  ' WHERE ',
  ' IN ',
  ' VALUES ',
  ' TABLE ',
  ' LATERAL ',
  ' NATURAL ',
  ' LEFT ',
  ' DELETE FROM ',
  ' UPDATE ',
  ' INSERT INTO ',
  ' REPLACE ',
  ' PARTITION ',
  ' FOR UPDATE ',
  ' LIMIT ',
  ' RETURNING ',
  ' DUAL ',
  ' EXISTS ',
  ' PROCEDURE ',
  ' HANDLER ',
  ' EXPLAIN ',
  ' DESCRIBE ',
  ' ANALYZE ',
  ' LOCK TABLES ',
  ' WRITE ',
  ' READ ',
  ' NEXT VALUE FOR ',
  ' SYSTEM_TIME ',
  ' STRAIGHT_JOIN ',
  ' IGNORE ',
  ' FORCE INDEX ',
  ' DUPLICATE ',
  ' RECURSIVE ',
  ' WINDOW ',
  ' JSON_TABLE',
] as const;

/** Rough tokens, white space of their own: enough to move things about. */
const split = (text: string): string[] =>
  text.match(/\s+|[\p{L}\p{N}_$]+|`[^`]*`|'[^']*'|"[^"]*"|[^\s\p{L}\p{N}_$]/gu) ?? [];

/** One statement made from valid ones by a few changes, each of which may make it valid again in another sense. */
export function mutate(choices: Choices, statement: string, other: string, names: readonly string[]): string {
  let tokens = split(statement);
  for (const _ of choices.list(1, 3, (index) => index)) {
    const at = choices.below(tokens.length + 1);
    const to = choices.below(tokens.length + 1);
    const length = choices.between(1, 4);
    const [from, until] = [Math.min(at, to), Math.max(at, to)];
    switch (choices.pick(['insert', 'name', 'delete', 'duplicate', 'swap', 'graft', 'join', 'cut', 'bytes'] as const)) {
      case 'insert':
        tokens.splice(at, 0, choices.pick(hostile));
        break;
      case 'name':
        tokens.splice(at, choices.below(2), choices.pick(names));
        break;
      case 'delete':
        tokens.splice(at, length);
        break;
      case 'duplicate':
        tokens.splice(to, 0, ...tokens.slice(at, at + length));
        break;
      case 'swap':
        tokens = [
          ...tokens.slice(0, from),
          ...tokens.slice(until, until + length),
          ...tokens.slice(from, until),
          ...tokens.slice(until + length),
        ];
        break;
      case 'graft': {
        const parts = split(other);
        const start = choices.below(parts.length + 1);
        tokens.splice(at, 0, ' ', ...parts.slice(start, start + choices.between(1, 12)), ' ');
        break;
      }
      case 'join':
        tokens.push(choices.pick([' UNION ', ' ', ';', ' UNION ALL ', ', ', ' INTERSECT ']), other);
        break;
      case 'cut':
        tokens = tokens.slice(0, at);
        break;
      case 'bytes': {
        const text = tokens.join('');
        const place = choices.below(text.length + 1);
        tokens = split(text.slice(0, place) + choices.pick(hostile) + text.slice(place + choices.below(3)));
        break;
      }
    }
  }
  return tokens.join('');
}
