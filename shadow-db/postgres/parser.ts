/// <reference path="./libpg-query.d.ts" />
import type { ParserInstance } from 'libpg-query/wasm/libpg-query.js';
import { Refusal } from '../codes.js';

/** A node of the server's parse tree, as JSON: scalars, lists, `{ NodeType: {...} }`, or the fields of a node whose type the field gives. */
export type Tree = { readonly [field: string]: unknown };

/**
 * The server's parser runs in WebAssembly. A fault inside (a stack that overflows, memory that cannot grow) leaves its memory in an
 * unknown state: later calls gave wrong answers, and once did not return. So an instance that faulted is never used again; a spare
 * one takes its place at once and the next spare is made in the background.
 *
 *   instances       | parse          | fault
 *   current + spare | current        | spare becomes current, a new spare is started
 *   current         | current        | no instance: statements are refused until the new one is there
 *   none            | SQL_PARSER     | -
 */
let create: (() => Promise<ParserInstance>) | undefined;
let current: ParserInstance | undefined;
let spare: ParserInstance | undefined;
let starting: Promise<void> | undefined;

/** Longest statement that is parsed, in UTF-16 units: its tree takes about twenty times as much memory. */
const longest = 2 * 1024 * 1024;

/**
 * Loads the parser; once for a process, later calls return at once. Await it before createRewriter.
 * Throws Error when the package libpg-query is not installed or is not the expected one.
 */
export async function loadParser(): Promise<void> {
  if (current !== undefined && spare !== undefined) return;
  if (create === undefined) {
    let loaded: typeof import('libpg-query/wasm/libpg-query.js');
    try {
      loaded = await import('libpg-query/wasm/libpg-query.js');
    } catch (cause) {
      throw new Error('the PostgreSQL rewriter needs the package libpg-query 18: npm install libpg-query@18', {
        cause,
      });
    }
    // the options object becomes the instance: each needs one of its own
    create = () => loaded.default({ print: () => {}, printErr: () => {} });
  }
  await start();
  if (current === undefined)
    throw new Error('libpg-query did not start: is it version 18 with its file libpg-query.wasm?');
}

/** True when createRewriter may be called. */
export function parserLoaded(): boolean {
  return create !== undefined && (current !== undefined || starting !== undefined);
}

/** Fills what is missing, one at a time. Never throws: an instance that cannot start is one that is not there. */
function start(): Promise<void> {
  starting ??= (async () => {
    try {
      while (current === undefined || spare === undefined) {
        const instance = await create?.();
        if (instance === undefined || typeof instance._wasm_parse_query_raw !== 'function') return;
        if (current === undefined) current = instance;
        else spare = instance;
      }
    } catch {
      // out of memory: what is there goes on, the next fault tries again
    } finally {
      starting = undefined;
    }
  })();
  return starting;
}

/**
 * The tree of a text without NUL and without lone surrogates. Throws Refusal: SQL_NOT_UNDERSTOOD with the server's message for a
 * syntax error, SQL_TOO_LONG, SQL_TOO_DEEP, SQL_PARSER.
 */
export function parseTree(sql: string): Tree {
  if (sql.length > longest) throw new Refusal('SQL_TOO_LONG', `${sql.length} characters, at most ${longest}`, longest);
  if (current === undefined) {
    void start();
    throw new Refusal('SQL_PARSER', 'the parser is being started again after a fault', 0);
  }
  let json: string;
  try {
    json = treeText(current, sql);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    current = spare;
    spare = undefined;
    void start();
    throw new Refusal(
      'SQL_TOO_DEEP',
      `the parser failed (${error instanceof Error ? error.message : String(error)})`,
      0,
    );
  }
  try {
    return JSON.parse(json) as Tree;
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal('SQL_TOO_DEEP', 'the tree is too deep to be read', 0);
    throw new Refusal('SQL_NOT_UNDERSTOOD', `the tree cannot be read (${String(error)})`, 0);
  }
}

function treeText(instance: ParserInstance, sql: string): string {
  const bytes = instance.lengthBytesUTF8(sql) + 1;
  const text = instance._malloc(bytes);
  instance.stringToUTF8(sql, text, bytes);
  const result = instance._wasm_parse_query_raw(text);
  if (text === 0 || result === 0) throw new RangeError('no memory');
  try {
    const error = instance.getValue(result + 8, 'i32');
    if (error !== 0) {
      // it may quote a long part of the statement
      const message = instance.UTF8ToString(instance.getValue(error, 'i32')).slice(0, 200);
      const position = Math.max(0, instance.getValue(error + 16, 'i32') - 1);
      if (sql[position] === '?' || /\?\s*$/.test(sql.slice(0, position))) {
        throw new Refusal('SQL_NOT_UNDERSTOOD', `${message} ("?" is an operator: number placeholders as $1)`, position);
      }
      // "memory exhausted": the grammar's own limit of nesting, ten thousand
      const code = message.startsWith('memory exhausted') ? 'SQL_TOO_DEEP' : 'SQL_NOT_UNDERSTOOD';
      throw new Refusal(code, message, Math.min(position, sql.length));
    }
    return instance.UTF8ToString(instance.getValue(result, 'i32'));
  } finally {
    instance._free(text);
    instance._wasm_free_parse_result(result);
  }
}
