/**
 * Text that came from outside (routes, error texts, names) on its way into HTML, XML, Markdown and terminals. Control
 * characters are dropped; bidirectional overrides, which can make `evil` read as `safe`, and lone surrogates become U+FFFD.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g;
const DECEPTIVE = /[\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

export function clean(text: string): string {
  return text.replace(CONTROLS, '').replace(DECEPTIVE, '\ufffd');
}

/** On one line and at most `max` characters, the cut shown by an ellipsis. */
export function oneLine(text: string, max = 300): string {
  const line = clean(text).replace(/\s+/g, ' ').trim();
  const characters = [...line];
  return characters.length <= max ? line : `${characters.slice(0, max - 1).join('')}…`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function escapeHtml(text: string): string {
  return clean(text).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** For attributes and text of XML 1.0; line breaks stay, as character references in attributes. */
export function escapeXml(text: string): string {
  return escapeHtml(text).replace(/[\n\r\t]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** For a cell or a line of GitHub-flavoured Markdown: nothing in it is markup. */
export function escapeMarkdown(text: string): string {
  return oneLine(text, 1000)
    .replace(/[\\`*_[\]|~]/g, (character) => `\\${character}`)
    .replace(/^([#+-]|\d+[.)])/, '\\$1')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;');
}
