/** Replaces a literal: gets its path (`a.b`, list indexes left out) and returns its replacement, or undefined to keep it. */
export interface JsonReplacer {
  text(path: string, value: string): string | undefined;
  /** `literal` as written: big numbers must not lose digits. */
  number(path: string, literal: string): string | undefined;
}

/**
 * Replaces single texts and numbers in a JSON document and leaves all other bytes as they are: white space, order, digits.
 * The document must be valid (JSON.parse has accepted it).
 */
export function replaceInJson(json: string, replacer: JsonReplacer): string {
  let out = '';
  let copied = 0;
  let at = 0;
  const path: string[] = [];
  const isObject: boolean[] = [];
  let expectsKey = false;

  const replace = (from: number, to: number, text: string) => {
    out += json.slice(copied, from) + text;
    copied = to;
  };
  const pathText = () => path.filter((key) => key !== '').join('.');

  while (at < json.length) {
    const char = json[at]!;
    if (char === '{' || char === '[') {
      isObject.push(char === '{');
      path.push('');
      expectsKey = char === '{';
      at++;
    } else if (char === '}' || char === ']') {
      isObject.pop();
      path.pop();
      expectsKey = false;
      at++;
    } else if (char === ',') {
      expectsKey = isObject.at(-1) === true;
      at++;
    } else if (char === '"') {
      const end = endOfText(json, at);
      if (expectsKey) {
        path[path.length - 1] = JSON.parse(json.slice(at, end));
        expectsKey = false;
      } else {
        const text = replacer.text(pathText(), JSON.parse(json.slice(at, end)));
        if (text !== undefined) replace(at, end, JSON.stringify(text));
      }
      at = end;
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      let end = at + 1;
      while (end < json.length && /[\d.eE+-]/.test(json[end]!)) end++;
      const literal = replacer.number(pathText(), json.slice(at, end));
      if (literal !== undefined) replace(at, end, literal);
      at = end;
    } else {
      at++;
    }
  }
  return out + json.slice(copied);
}

function endOfText(json: string, from: number): number {
  let at = from + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}
