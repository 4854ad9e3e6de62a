import { quoteName } from '../../names.js';
import { type Db, numberOf, ShadowDbError, textOf } from '../db.js';
import { type Definition, parseDefinition } from './definition.js';
import { impatient, inspect } from './inspect.js';
import type { SchemaModel, TableModel } from './model.js';
import { Names, type ShadowDbOptions } from './options.js';
import { isMarked, isOurs } from './range.js';
import { checkRights } from './rights.js';
import { readServer, type ServerFacts } from './server.js';

/** What a sequence counts by. Decimal digits. */
export interface SequenceState {
  next: string;
  minimum: string;
  maximum: string;
  increment: string;
  cache: string;
  cycles: boolean;
}

/** Both sides as they are at one time. Keys of `real` and `shadow` are schemas; in mode table both hold the same models. */
export interface Sides {
  names: Names;
  server: ServerFacts;
  real: Map<string, SchemaModel>;
  shadow: Map<string, SchemaModel>;
  /** Of the tables that are classed shadow, and of the shadow tables that exist; keys are `schema.table`. */
  definitions: Map<string, Definition>;
  /** Of the real sequences that are classed shadow; keys are `schema.sequence`. */
  sequences: Map<string, SequenceState>;
}

/** The options as this server reads names. */
export function namesOn(options: ShadowDbOptions, server: ServerFacts): Names {
  return new Names({ ...options, ignoreCase: options.ignoreCase ?? server.ignoreCase });
}

/**
 * Reads both sides; changes nothing, waits for nobody but for a table that is locked (REAL_BUSY). Any driver and a pool will do.
 * Throws ShadowDbError DATABASE_MISSING, and RIGHTS where the server would hide triggers and views in silence.
 */
export async function readSides(db: Db, options: ShadowDbOptions): Promise<Sides> {
  const server = await readServer(db);
  const names = namesOn(options, server);
  await checkRights(db, names, false);
  const real = new Map<string, SchemaModel>();
  const shadow = new Map<string, SchemaModel>();
  for (const database of names.databases) {
    const model = await inspect(db, database, server);
    if (!model.exists) throw new ShadowDbError('DATABASE_MISSING', `there is no database ${database}`);
    real.set(database, model);
  }
  for (const [database, model] of real) {
    const schema = names.shadowSchema(database);
    shadow.set(schema, schema === database ? model : await inspect(db, schema, server));
  }
  const sides: Sides = { names, server, real, shadow, definitions: new Map(), sequences: new Map() };
  for (const [database, model] of real) {
    for (const table of shadowed(names, database, model)) {
      await define(db, sides, database, table.name);
      const twin = names.shadow(table.name, database);
      const schema = names.shadowSchema(database);
      const existing = shadow.get(schema)?.tables.find(({ name }) => name === twin);
      if (existing && isMarked(existing)) await define(db, sides, schema, twin);
    }
    for (const { name } of model.sequences) {
      if (names.mapping.classOf(database, name) === 'shadow') await readSequence(db, sides, database, name);
    }
  }
  return sides;
}

/** Real base tables that are classed shadow. Those that we made are none, whatever pattern matches them. */
export function shadowed(names: Names, database: string, { tables }: SchemaModel): TableModel[] {
  const real = tables.filter((table) => !isOurs(table, database, names));
  const existing = real.map(({ name }) => name);
  const wanted = new Set(names.ofClass('shadow', existing, database));
  return real.filter(({ name }) => wanted.has(name));
}

/** A table that is dropped while this goes on is as if it had not been there: what follows says TABLE_MISSING or missing. */
async function define(db: Db, { server, definitions }: Sides, schema: string, table: string): Promise<void> {
  const sql = `SHOW CREATE TABLE ${quoteName(schema)}.${quoteName(table)}`;
  const [row] = await impatient(db, sql, schema, server);
  const text = textOf(row?.['Create Table']);
  definitions.set(`${schema}.${table}`, parseDefinition(text, `${schema}.${table}`));
}

async function readSequence(db: Db, { server, sequences }: Sides, schema: string, name: string): Promise<void> {
  const columns = ['next_not_cached_value', 'minimum_value', 'maximum_value', 'increment', 'cache_size'];
  const list = columns.map((column) => `CAST(${quoteName(column)} AS CHAR) AS ${quoteName(column)}`).join(', ');
  const sql = `SELECT ${list}, cycle_option FROM ${quoteName(schema)}.${quoteName(name)}`;
  const [row = {}] = await impatient(db, sql, schema, server);
  sequences.set(`${schema}.${name}`, {
    next: textOf(row.next_not_cached_value),
    minimum: textOf(row.minimum_value),
    maximum: textOf(row.maximum_value),
    increment: textOf(row.increment),
    cache: textOf(row.cache_size),
    cycles: numberOf(row.cycle_option) !== 0,
  });
}
