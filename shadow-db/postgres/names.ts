/** A name as it stands in a statement, whatever it holds. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const encoder = new TextEncoder();
const mostBytes = 63;

/** What the server makes of a name: at most 63 bytes of UTF-8, cut between characters. */
export function clipName(name: string): string {
  if (name.length * 3 <= mostBytes || encoder.encode(name).length <= mostBytes) return name;
  let bytes = 0;
  let clipped = '';
  for (const character of name) {
    bytes += encoder.encode(character).length;
    if (bytes > mostBytes) break;
    clipped += character;
  }
  return clipped;
}

/** UTF-16 offsets of the parser's offsets, which count bytes of UTF-8. */
export function utf16Offsets(text: string): (byte: number) => number {
  const from = text.search(/[^\0-\x7f]/);
  if (from < 0) return (byte) => byte;
  const offsets = new Map<number, number>();
  let [byte, at] = [from, from];
  for (const character of text.slice(from)) {
    offsets.set(byte, at);
    const code = character.codePointAt(0)!;
    byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += character.length;
  }
  // no character begins there: no token will either
  return (wanted) => (wanted < from ? wanted : (offsets.get(wanted) ?? -1));
}
