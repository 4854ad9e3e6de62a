/**
 * W3C baggage, read and written as text: https://www.w3.org/TR/baggage/. List members of others stay byte for byte; ours comes first,
 * because past a limit other implementations drop the last ones.
 */
export const MAX_BAGGAGE_BYTES = 8192;
export const MAX_BAGGAGE_MEMBERS = 180;

/**
 * The values of every list member with this key: without properties (`;…`), percent-decoded where that is possible. Never throws:
 * a value that cannot be decoded is returned as it stands.
 */
export function readMembers(header: string, key: string): string[] {
  const values: string[] = [];
  // Most baggage has nothing to do with us, and most requests have none.
  if (!header.includes(key)) return values;
  for (const member of header.split(',')) {
    const equals = member.indexOf('=');
    if (equals < 0 || member.slice(0, equals).trim() !== key) continue;
    const semicolon = member.indexOf(';', equals);
    const value = member.slice(equals + 1, semicolon < 0 ? undefined : semicolon).trim();
    values.push(value.includes('%') ? decode(value) : value);
  }
  return values;
}

/** The header with our member first, in place of any of that key; within the limits, others being dropped from the end. */
export function withMember(header: string | undefined, key: string, value: string): string {
  let text = `${key}=${value}`;
  let count = 1;
  for (const member of othersThan(header, key)) {
    if (count >= MAX_BAGGAGE_MEMBERS || text.length + 1 + member.length > MAX_BAGGAGE_BYTES) break;
    text += `,${member}`;
    count++;
  }
  return text;
}

/** The header without the members of that key; '' when nothing is left. */
export function withoutMember(header: string, key: string): string {
  return header.includes(key) ? othersThan(header, key).join(',') : header;
}

function othersThan(header: string | undefined, key: string): string[] {
  if (header === undefined || header.trim() === '') return [];
  return header.split(',').filter((member) => {
    const equals = member.indexOf('=');
    return member.trim() !== '' && (equals < 0 || member.slice(0, equals).trim() !== key);
  });
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
