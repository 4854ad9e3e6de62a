import { parse, parsePlPgSQL } from 'libpg-query';
import type { TriggerModel } from './model.js';
import { literal } from './quote.js';

/** Trigger functions of the server and of its extensions that change nothing but the row at hand. */
const knownFunctions = new Set([
  'tsvector_update_trigger',
  'tsvector_update_trigger_column',
  'suppress_redundant_updates_trigger',
  'moddatetime',
  'insert_username',
]);

/** Statements of PL/pgSQL that touch no table by themselves; their expressions are looked at one by one. */
const knownStatements = new Set(
  ['block', 'assign', 'if', 'case', 'loop', 'while', 'fori', 'exit', 'return', 'raise', 'assert', 'getdiag'].map(
    (name) => `PLpgSQL_stmt_${name}`,
  ),
);

/** Functions of the server that compute from their arguments, the clock or chance. */
const pureFunctions = new Set(
  `abs age array_agg array_append array_length array_position array_remove array_to_string ascii btrim cardinality ceil ceiling
  char_length character_length clock_timestamp concat concat_ws current_setting date_part date_trunc decode div encode exp extract floor
  format gen_random_uuid hashtext initcap isfinite json_build_object jsonb_array_length jsonb_build_object jsonb_set jsonb_strip_nulls
  justify_days justify_hours left length ln log lower lpad ltrim make_date make_interval make_timestamp make_timestamptz md5 mod
  normalize now num_nonnulls num_nulls octet_length overlay position power random regexp_match regexp_replace replace repeat reverse
  right round row_to_json rpad rtrim setweight sha224 sha256 sha384 sha512 sign split_part sqrt starts_with statement_timestamp
  string_to_array strpos substr substring timezone to_char to_date to_hex to_json to_jsonb to_number to_timestamp to_tsvector
  transaction_timestamp translate trim trunc upper`.split(/\s+/),
);

/**
 * Why a trigger may not stand on a shadow table, or undefined when its function is known, or is PL/pgSQL of which the server's own
 * parser shows that it touches the row at hand only.
 */
export async function triggerObjection({ function: called, constraint }: TriggerModel): Promise<string | undefined> {
  if (constraint) return 'it is a constraint trigger';
  const name = called.text.replace(/^.*\./, '').replaceAll('"', '');
  if (called.definer) return `${called.name} runs with the rights of its owner`;
  if (called.language === 'internal' || called.language === 'c')
    return knownFunctions.has(name) ? undefined : `what ${called.name} does is not known`;
  if (called.language !== 'plpgsql')
    return `${called.name} is written in ${called.language}, which cannot be looked into`;
  try {
    const source = `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS ${literal(called.body)}`;
    return await bodyObjection(await parsePlPgSQL(source), called.name);
  } catch (error) {
    return `the body of ${called.name} is not understood (${error instanceof Error ? error.message : String(error)})`;
  }
}

async function bodyObjection(tree: unknown, name: string): Promise<string | undefined> {
  const expressions: { query: string; parseMode?: number }[] = [];
  let statement: string | undefined;
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) for (const item of node) walk(item);
    else if (typeof node === 'object' && node !== null) {
      for (const [key, value] of Object.entries(node)) {
        if (key.startsWith('PLpgSQL_stmt_') && !knownStatements.has(key))
          statement ??= key.slice('PLpgSQL_stmt_'.length);
        if (key === 'PLpgSQL_expr') expressions.push(value as { query: string });
        else walk(value);
      }
    }
  };
  walk(tree);
  if (statement !== undefined) return `${name} may touch tables (${statement})`;
  for (const { query, parseMode = 0 } of expressions) {
    // modes 3 to 5 are assignments: what is assigned stands behind the sign
    const text = parseMode >= 3 ? query.replace(/^[^=]*?:?=/, '') : query;
    const reason = await expressionObjection(text);
    if (reason !== undefined) return `${name} ${reason}`;
  }
  return undefined;
}

async function expressionObjection(text: string): Promise<string | undefined> {
  let reason: string | undefined;
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) for (const item of node) walk(item);
    else if (typeof node === 'object' && node !== null) {
      for (const [key, value] of Object.entries(node)) {
        if (key === 'RangeVar' || key === 'RangeFunction') reason ??= 'reads tables';
        if (key === 'FuncCall') {
          const parts = (value as { funcname: { String: { sval: string } }[] }).funcname.map(
            (part) => part.String.sval,
          );
          const isPlain = parts.length === 1 || parts[0] === 'pg_catalog';
          if (!isPlain || !pureFunctions.has(parts.at(-1) ?? '')) reason ??= `calls ${parts.join('.')}`;
        }
        walk(value);
      }
    }
  };
  const { stmts = [] } = (await parse(`SELECT ${text}`)) as { stmts?: { stmt?: object }[] };
  if (stmts.length !== 1 || !('SelectStmt' in (stmts[0]?.stmt ?? {}))) return 'holds more than expressions';
  walk(stmts);
  return reason;
}
