import { randomBytes } from 'node:crypto';
import { Tokens } from '@shadowline/shadow-db';
import { replaceInJson } from './json-text.js';

type Header = [name: string, value: string];

/** Headers that hold a credential whatever the configuration says. */
const SECRET_HEADERS = new Set(['x-api-key', 'x-auth-token', 'x-csrf-token', 'x-xsrf-token']);
/** JSON and form fields that hold one: what a login answers with, and a later Authorization header carries. */
const SECRET_FIELD =
  /^(?:(?:access|refresh|id|auth|session|bearer|csrf)[_-]?)?token$|^jwt$|^session[_-]?id$|^api[_-]?key$/i;
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/;
const JWT_ANYWHERE = /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*/g;

/**
 * Replaces what is personal or secret by keyed tokens before anything is written. The same value gives the same token wherever it
 * stands (a login's answer, a later header), so that joins survive; without the key nobody can compute a token from a guess.
 * Types and shapes stay: a number stays a number of as many digits, a card number still passes its check.
 */
export class Masker {
  readonly #tokens: Tokens;
  readonly #headers = new Set<string>();
  readonly #fields = new Set<string>();
  readonly #queries = new Set<string>();

  /** @param fields `header:x`, `body.a.b`, `query:x`; without a key a random one is used */
  constructor(key: string | undefined, fields: readonly string[]) {
    this.#tokens = new Tokens(key === undefined || key === '' ? randomBytes(32) : key);
    for (const field of fields) {
      if (field.startsWith('header:')) this.#headers.add(field.slice(7).toLowerCase());
      else if (field.startsWith('body.')) this.#fields.add(field.slice(5));
      else if (field.startsWith('query:')) this.#queries.add(field.slice(6));
    }
  }

  /** The token of a secret. */
  token(value: string): string {
    return this.#tokens.token(value);
  }

  /** 16 hex digits: names somebody without saying who. */
  pseudonym(value: string): string {
    return this.#tokens.pseudonym(value);
  }

  headers(headers: readonly Header[]): Header[] {
    return headers.map(([name, value]) => [name, this.#header(name.toLowerCase(), value)]);
  }

  #header(name: string, value: string): string {
    if (name === 'authorization' || name === 'proxy-authorization') {
      const space = value.indexOf(' ');
      return space < 0 ? this.token(value) : `${value.slice(0, space)} ${this.token(value.slice(space + 1).trim())}`;
    }
    if (name === 'cookie')
      return value
        .split(';')
        .map((pair) => this.#cookie(pair))
        .join(';');
    if (name === 'set-cookie') {
      const end = value.indexOf(';');
      return end < 0 ? this.#cookie(value) : this.#cookie(value.slice(0, end)) + value.slice(end);
    }
    if (SECRET_HEADERS.has(name) || this.#headers.has(name)) return this.token(value);
    return this.text(value);
  }

  #cookie(pair: string): string {
    const equals = pair.indexOf('=');
    return equals < 0 ? this.token(pair) : `${pair.slice(0, equals)}=${this.token(pair.slice(equals + 1).trim())}`;
  }

  /** Path and query as received; what is percent-encoded is looked at decoded. */
  url(url: string): string {
    const question = url.indexOf('?');
    const path = question < 0 ? url : url.slice(0, question);
    const masked = path
      .split('/')
      .map((segment) => this.#component(segment))
      .join('/');
    return question < 0 ? masked : `${masked}?${this.#pairs(url.slice(question + 1), this.#queries)}`;
  }

  /** A body of text. `type` is its Content-Type. */
  body(text: string, type: string): string {
    if (text === '') return text;
    if (/[/+]json\b/i.test(type) || /^\s*[[{]/.test(text)) {
      try {
        JSON.parse(text);
      } catch {
        return this.text(text);
      }
      return replaceInJson(text, {
        text: (path, value) => this.#field(path, value),
        number: (path, literal) => this.#number(path, literal),
      });
    }
    if (/x-www-form-urlencoded/i.test(type)) return this.#pairs(text, this.#fields);
    return this.text(text);
  }

  /** Free text: only what is recognised by its shape. */
  text(text: string): string {
    const masked = text.includes('eyJ') ? text.replace(JWT_ANYWHERE, (jwt) => this.token(jwt)) : text;
    return this.#tokens.text(masked);
  }

  #field(path: string, value: string): string | undefined {
    const name = path.slice(path.lastIndexOf('.') + 1);
    const isSecret = this.#fields.has(path) || SECRET_FIELD.test(name) || JWT.test(value);
    const masked = isSecret ? this.token(value) : this.text(value);
    return masked === value ? undefined : masked;
  }

  #number(path: string, literal: string): string | undefined {
    if (this.#fields.has(path) && /^-?\d+$/.test(literal)) return this.#tokens.digits(literal);
    const masked = this.text(literal);
    return masked === literal ? undefined : masked;
  }

  #pairs(text: string, configured: ReadonlySet<string>): string {
    return text
      .split('&')
      .map((pair) => {
        const equals = pair.indexOf('=');
        if (equals < 0) return this.#component(pair);
        const name = decode(pair.slice(0, equals));
        const value = pair.slice(equals + 1);
        if (configured.has(name) || SECRET_FIELD.test(name)) {
          return `${pair.slice(0, equals)}=${this.token(decode(value))}`;
        }
        return `${pair.slice(0, equals)}=${this.#component(value)}`;
      })
      .join('&');
  }

  #component(encoded: string): string {
    const plain = decode(encoded);
    const masked = this.text(plain);
    return masked === plain ? encoded : encodeURIComponent(masked);
  }
}

function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
