/** Names of shadow tables and schemas. The same input gives the same name in agents, in provisioning and in clean-up. */

/** How long an identifier may be on a server. */
export interface NameLimit {
  maxNameLength: number;
  lengthIn: 'characters' | 'bytes';
}

/** MySQL and MariaDB refuse longer names; PostgreSQL cuts them off silently. */
export const nameLimits = {
  mysql: { maxNameLength: 64, lengthIn: 'characters' },
  postgres: { maxNameLength: 63, lengthIn: 'bytes' },
} as const satisfies Record<string, NameLimit>;

/** A name that cannot have a shadow. Cause and remedy stand in the message. */
export class ShadowNameError extends Error {
  override name = 'ShadowNameError';
}

/**
 * The shadow of a table, trigger or view name. Names that would pass the limit keep their beginning and get eight hex
 * digits of a hash, so two long names do not meet: `<beginning>_<hash><suffix>`.
 * Throws ShadowNameError for a name that ends with the suffix already: then a shadow could not be told from a real table.
 */
export function shadowName(name: string, suffix: string, limit: NameLimit = nameLimits.mysql): string {
  if (name === '') throw new ShadowNameError('an empty name has no shadow');
  if (isShadowName(name, suffix)) {
    throw new ShadowNameError(`"${name}" ends with the shadow suffix "${suffix}" already: choose another suffix`);
  }
  // the suffix is ASCII: as many bytes as characters
  const room = limit.maxNameLength - suffix.length;
  const size = limit.lengthIn === 'bytes' ? utf8Length : () => 1;
  let [length, cut] = [0, 0];
  for (const character of name) {
    length += size(character);
    if (length <= room - 9) cut += character.length;
  }
  return length <= room ? name + suffix : `${name.slice(0, cut)}_${hash32(name)}${suffix}`;
}

/** Bytes of one character in UTF-8. */
function utf8Length(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/** True for a name that `shadowName` may have shortened: it fills the limit and ends with a hash and the suffix. */
export function isShortened(name: string, suffix: string, limit: NameLimit): boolean {
  // a character that did not fit leaves up to three bytes unused
  if (name.length * (limit.lengthIn === 'bytes' ? 4 : 1) < limit.maxNameLength - 3) return false;
  return isShadowName(name, suffix) && /_[0-9a-f]{8}$/i.test(name.slice(-suffix.length - 9, -suffix.length));
}

/** True when the name carries the suffix. Case is ignored, since servers on some file systems ignore it too. */
export function isShadowName(name: string, suffix: string): boolean {
  return name.length >= suffix.length && name.slice(-suffix.length).toLowerCase() === suffix.toLowerCase();
}

/**
 * Lower case, as servers make it: letter by letter. JavaScript makes two letters of İ, and another Σ of one that ends a word.
 */
export function foldName(name: string): string {
  return name.replace(/[\u0130\u03a3]/g, (letter) => (letter === '\u0130' ? 'i' : '\u03c3')).toLowerCase();
}

/** Throws ShadowNameError unless the suffix can be part of a name and leaves room for the rest. */
export function checkSuffix(suffix: string): void {
  if (!/^[A-Za-z0-9_$]{2,24}$/.test(suffix)) {
    throw new ShadowNameError(`the shadow suffix "${suffix}" must be 2 to 24 letters, digits, "_" or "$"`);
  }
}

/** A name as it may stand in any statement and in any sql_mode. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** FNV-1a, 32 bits, with a final mix (murmur3), as eight hex digits. */
function hash32(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, '0');
}
