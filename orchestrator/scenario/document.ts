import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import type { Problem } from './problem.js';

/** A scenario is a page of text. What is larger is something else, and is not parsed. */
export const MAX_SCENARIO_BYTES = 1024 * 1024;
/** Aliases that are expanded while the document becomes plain values: ten levels of ten aliases each would be 10^10 nodes. */
const MAX_ALIASES = 100;
const MAX_DEPTH = 40;

export type Path = readonly (string | number)[];

/**
 * A YAML text with the position of each node. Positions are looked up by path, so that whoever finds a problem in the plain values
 * can say where it stands.
 */
export class ScenarioDocument {
  readonly problems: Problem[] = [];
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #doc: Document.Parsed;
  readonly #text: string;
  /** Paths whose values were given on the command line: they have no place in the file. */
  readonly #overridden: string[][] = [];

  constructor(text: string, file: string) {
    this.#file = file;
    this.#text = text;
    this.#doc = emptyDocument();
    const unreadable = unreadableBecause(text);
    if (unreadable !== undefined) {
      this.problems.push({ file, line: 1, column: 1, path: '', ...unreadable });
      return;
    }
    try {
      this.#doc = parseDocument(text, {
        lineCounter: this.#lines,
        prettyErrors: false,
        uniqueKeys: true,
        stringKeys: true,
      });
      for (const error of [...this.#doc.errors, ...this.#doc.warnings])
        this.#report(error.pos[0], '', this.#hint(error.pos[0]) ?? explain(error.code, error.message));
      if (this.problems.length === 0) this.#checkNodes();
    } catch (error) {
      // The parser recurses: a million opening brackets end here.
      this.#report(0, '', {
        cause: `it cannot be read as YAML: ${(error as Error).message}`,
        remedy: 'a scenario is a short YAML file',
      });
    }
  }

  get ok(): boolean {
    return this.problems.length === 0;
  }

  /** Plain values. Only call it when `ok`. Adds a problem and returns undefined when keys collide or aliases would blow up. */
  toValues(): unknown {
    // Two keys may have become one when the environment was expanded.
    visit(this.#doc, {
      Map: (_key, map) => {
        const names = map.items.map((pair) => (isScalar(pair.key) ? String(pair.key.value) : ''));
        const twice = map.items.find((_pair, index) => names.indexOf(names[index]!) < index);
        if (twice === undefined) return;
        this.#report((twice.key as Node).range?.[0] ?? 0, '', explain('DUPLICATE_KEY', ''));
      },
    });
    if (!this.ok) return undefined;
    try {
      return this.#doc.toJS({ maxAliasCount: MAX_ALIASES });
    } catch (error) {
      this.#report(0, '', {
        cause: `its aliases expand without bound: ${(error as Error).message}`,
        remedy: 'write out what the aliases stand for',
      });
      return undefined;
    }
  }

  /** Calls `change` for each scalar, keys included; what it returns replaces the scalar's value. */
  eachScalar(change: (text: string, path: Path, plain: boolean, isKey: boolean) => unknown): void {
    visit(this.#doc, {
      Scalar: (key, node, ancestors) => {
        if (typeof node.value !== 'string') return;
        const isKey = key === 'key';
        node.value = change(node.value, pathOf([...ancestors, node]), node.type === 'PLAIN', isKey);
      },
    });
  }

  /** Sets a value given outside of the file. Maps on the way are made. Throws when a value on the way is not a map or a list. */
  set(path: string[], text: string): void {
    const value = parseDocument(text, { schema: 'core' });
    if (value.errors.length > 0) throw new Error(value.errors[0]!.message);
    this.#doc.setIn(path, value.contents);
    this.#overridden.push(path);
  }

  /**
   * A problem at the node of `path`, or at the nearest one above it. `key` points at the key instead of the value; `offset` counts
   * characters into a scalar, `written` is its text where it has been expanded since.
   */
  problem(
    path: Path,
    cause: string,
    remedy: string,
    at: { key?: boolean; offset?: number; written?: string } = {},
  ): Problem {
    const text = { path: path.join('.'), cause, remedy };
    if (this.#overridden.some((set) => set.every((part, index) => part === String(path[index])))) {
      return { file: '--set', line: 1, column: 1, ...text };
    }
    const { node, keyNode } = this.#find(path);
    const target = at.key ? (keyNode ?? node) : (node ?? keyNode);
    let start = target?.range?.[0] ?? 0;
    if (at.offset !== undefined && isScalar(target) && target === node) {
      const source = this.#text.slice(start, target.range![1]);
      const quote = target.type === 'PLAIN' ? 0 : 1;
      // Folded, escaped and expanded scalars do not map one to one: then the scalar's start must do.
      if (
        (target.type === 'PLAIN' || target.type?.startsWith('QUOTE')) &&
        source.slice(quote, source.length - quote) === (at.written ?? target.value)
      ) {
        start += quote + at.offset;
      }
    }
    const { line, col } = this.#lines.linePos(start);
    return { file: this.#file, line: Math.max(1, line), column: Math.max(1, col), ...text };
  }

  /** The usual slip where a reference to the environment stands in a flow map or list. */
  #hint(offset: number): { cause: string; remedy: string } | undefined {
    const start = this.#text.lastIndexOf('\n', offset - 1) + 1;
    const isReference = /[{[].*(^|[^"'\w])\$\{/.test(this.#text.slice(start, offset + 2));
    return isReference
      ? {
          cause: 'a reference to the environment stands here without quotes',
          remedy: `inside { } and [ ] write "\${NAME}"`,
        }
      : undefined;
  }

  #report(offset: number, path: string, text: { cause: string; remedy: string }): void {
    const { line, col } = this.#lines.linePos(offset);
    this.problems.push({ file: this.#file, line: Math.max(1, line), column: Math.max(1, col), path, ...text });
  }

  #checkNodes(): void {
    const { contents } = this.#doc;
    if (contents === null || (isScalar(contents) && contents.value === null)) {
      this.#report(0, '', {
        cause: 'the file is empty',
        remedy: 'start with `version: 1`, or let `stress init` write a scenario',
      });
      return;
    }
    if (!isMap(contents)) {
      this.#report(contents.range[0], '', { cause: 'a scenario is a map of keys', remedy: 'start with `version: 1`' });
      return;
    }
    visit(this.#doc, {
      Node: (_key, node, ancestors) => {
        if (isAlias(node) && node.resolve(this.#doc) === undefined) {
          this.#report(node.range?.[0] ?? 0, '', explain('BAD_ALIAS', `no anchor &${node.source} stands before this`));
        }
        if (ancestors.filter(isCollection).length > MAX_DEPTH) {
          this.#report(node.range?.[0] ?? 0, '', {
            cause: 'it is nested too deeply',
            remedy: `at most ${MAX_DEPTH} levels`,
          });
          return visit.BREAK;
        }
        return undefined;
      },
      Pair: (_key, pair) => {
        const name = isScalar(pair.key) ? String(pair.key.value) : undefined;
        const at = (pair.key as Node | null)?.range?.[0] ?? 0;
        if (name === '<<')
          this.#report(at, '<<', { cause: 'merge keys are not supported', remedy: 'write the keys out' });
        if (name === '__proto__')
          this.#report(at, name, { cause: 'this name is not allowed', remedy: 'choose another name' });
      },
    });
  }

  #find(path: Path): { node: Node | undefined; keyNode: Node | undefined } {
    let node: Node | undefined = this.#doc.contents ?? undefined;
    let keyNode: Node | undefined;
    for (const part of path) {
      const container: Node | undefined = isAlias(node) ? node.resolve(this.#doc) : node;
      if (isMap(container)) {
        const pair = container.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
        if (pair === undefined) return { node, keyNode };
        keyNode = pair.key as Node;
        node = (pair.value as Node | null) ?? keyNode;
      } else if (isSeq(container)) {
        const item = container.items[Number(part)] as Node | undefined;
        if (item === undefined) return { node, keyNode };
        node = item;
        keyNode = item;
      } else return { node, keyNode };
    }
    return { node, keyNode };
  }
}

function emptyDocument(): Document.Parsed {
  return parseDocument('');
}

function unreadableBecause(text: string): { cause: string; remedy: string } | undefined {
  if (text.length > MAX_SCENARIO_BYTES) {
    return {
      cause: `the file has ${text.length} characters`,
      remedy: `a scenario has at most ${MAX_SCENARIO_BYTES}; is this the right file?`,
    };
  }
  if (text.includes('\0') || text.includes('\uFFFD')) {
    return { cause: 'the file is not text (UTF-8)', remedy: 'give the scenario itself, a YAML file' };
  }
  return undefined;
}

/** From the scalar's ancestors, outermost first, to its path. */
function pathOf(chain: readonly unknown[]): Path {
  const path: (string | number)[] = [];
  for (let index = 0; index + 1 < chain.length; index++) {
    const parent = chain[index];
    const child = chain[index + 1];
    if (isSeq(parent)) path.push(parent.items.indexOf(child as Node));
    else if (isMap(parent)) {
      const pair = child as { key: unknown };
      if (isScalar(pair.key)) path.push(String(pair.key.value));
    }
  }
  return path;
}

/** The parser's codes in words of ours, where those help more. */
function explain(code: string, message: string): { cause: string; remedy: string } {
  switch (code) {
    case 'DUPLICATE_KEY':
      return { cause: 'this key stands here twice', remedy: 'keep one of them' };
    case 'TAB_AS_INDENT':
      return { cause: 'a tab is used to indent', remedy: 'YAML is indented with spaces' };
    case 'MULTIPLE_DOCS':
      return { cause: 'a second document begins here (`---`)', remedy: 'one scenario a file' };
    case 'TAG_RESOLVE_FAILED':
      return { cause: message, remedy: 'leave the tag out' };
    case 'BAD_ALIAS':
      return { cause: message, remedy: 'name an anchor that stands before it, or quote the text' };
    default:
      return { cause: message, remedy: 'it is not valid YAML here' };
  }
}
