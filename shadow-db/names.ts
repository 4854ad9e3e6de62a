/** Names of shadow tables and schemas. The same input gives the same name in agents, in provisioning and in clean-up. */

/** Longest identifier that MySQL and MariaDB take, in characters. */
export const maxNameLength = 64;

/** A name that cannot have a shadow. Cause and remedy stand in the message. */
export class ShadowNameError extends Error {
  override name = 'ShadowNameError';
}

/**
 * The shadow of a table, trigger or view name. Names that would pass 64 characters keep their beginning and get eight hex
 * digits of a hash, so two long names do not meet: `<beginning>_<hash><suffix>`.
 * Throws ShadowNameError for a name that ends with the suffix already: then a shadow could not be told from a real table.
 */
export function shadowName(name: string, suffix: string): string {
  if (name === '') throw new ShadowNameError('an empty name has no shadow');
  if (isShadowName(name, suffix)) {
    throw new ShadowNameError(`"${name}" ends with the shadow suffix "${suffix}" already: choose another suffix`);
  }
  const characters = [...name];
  const room = maxNameLength - [...suffix].length;
  if (characters.length <= room) return name + suffix;
  const head = characters.slice(0, room - 9).join('');
  return `${head}_${hash32(name)}${suffix}`;
}

/** True when the name carries the suffix. Case is ignored, since servers on some file systems ignore it too. */
export function isShadowName(name: string, suffix: string): boolean {
  return name.length >= suffix.length && name.slice(-suffix.length).toLowerCase() === suffix.toLowerCase();
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
