import { nearest } from './problem.js';
import { UnitError } from './units.js';

/** A word of a threshold or a guardrail that does not fit. `offset` counts characters from the start of the line. */
export class ExpressionError extends Error {
  readonly offset: number;
  readonly remedy: string;

  constructor(cause: string, remedy: string, offset: number) {
    super(cause);
    this.name = 'ExpressionError';
    this.offset = offset;
    this.remedy = remedy;
  }
}

const SPACE = /\s*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const PERCENTILE = /p(\d+(?:\.\d+)?)(?![A-Za-z_])/y;
const AMOUNT = /-?[0-9.][^\s,()<>]*/y;
const QUOTED = /"((?:[^"\\]|\\["\\])*)"/y;

/** Reads the small languages of `slo` and `guardrails` word by word, and knows where each word stands. */
export class Words {
  readonly #text: string;
  readonly #example: string;
  #at = 0;

  constructor(text: string, example: string) {
    this.#text = text;
    this.#example = example;
    this.#match(SPACE);
  }

  fail(cause: string, remedy = `write it like this: ${this.#example}`, offset = this.#at): never {
    throw new ExpressionError(cause, remedy, offset);
  }

  /** The text is taken when it comes next; letters are taken as whole words only. */
  take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    if (/\w$/.test(text) && /\w/.test(this.#text[this.#at + text.length] ?? '')) return false;
    this.#at += text.length;
    this.#match(SPACE);
    return true;
  }

  expect(text: string, remedy?: string): void {
    if (!this.take(text))
      this.fail(`${JSON.stringify(text)} is missing here`, remedy && `write it like this: ${remedy}`);
  }

  oneOf<const T extends string>(choices: readonly T[], what: string): T {
    for (const choice of choices) if (this.take(choice)) return choice;
    const found = this.#peek();
    const close = nearest(found, choices);
    const cause = found === '' ? `${what} is missing here` : `${JSON.stringify(found)} is not ${what}`;
    return this.fail(
      cause,
      close !== undefined ? `did you mean ${JSON.stringify(close)}?` : `one of: ${choices.join(', ')}`,
    );
  }

  /** `p99`, `p99.9`: above 0 and at most 100. Undefined when something else comes next. */
  percentile(): number | undefined {
    const start = this.#at;
    const parts = this.#match(PERCENTILE);
    if (parts === null) return undefined;
    const percentile = Number(parts[1]);
    if (percentile <= 0 || percentile > 100)
      this.fail(`there is no p${parts[1]}`, 'a percentile is above 0 and at most 100', start);
    this.#match(SPACE);
    return percentile;
  }

  /** A number with its unit. The reader throws UnitError. */
  quantity(read: (text: string) => number): number {
    const start = this.#at;
    const parts = this.#match(AMOUNT);
    if (parts === null) return this.fail('a limit is missing here');
    try {
      const value = read(parts[0]);
      this.#match(SPACE);
      return value;
    } catch (error) {
      if (error instanceof UnitError) return this.fail(error.message, error.remedy, start);
      throw error;
    }
  }

  /** The amount that comes next, without taking it. */
  amount(): string {
    const start = this.#at;
    const parts = this.#match(AMOUNT);
    this.#at = start;
    return parts?.[0] ?? '';
  }

  quoted(): string {
    const parts = this.#match(QUOTED);
    if (parts === null)
      return this.fail('a text in double quotes is missing here', 'write it like this: route="POST /transfers"');
    this.#match(SPACE);
    return parts[1]!.replace(/\\(["\\])/g, '$1');
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  end(): void {
    if (!this.atEnd) this.fail(`${JSON.stringify(this.#peek())} is too much here`);
  }

  #peek(): string {
    const start = this.#at;
    const word = this.#match(WORD)?.[0] ?? this.#text.slice(start).split(/\s/)[0] ?? '';
    this.#at = start;
    return word;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const parts = pattern.exec(this.#text);
    if (parts !== null) this.#at += parts[0].length;
    return parts;
  }
}
