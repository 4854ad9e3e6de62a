import { type Claim, claims, parseClaim } from '../../claim.js';
import { createRewriter, type Rewriter } from '../../mysql/rewriter.js';
import { ShadowDbError } from '../db.js';
import { type Definition, runColumn, withSequences } from './definition.js';
import type { ForeignKeyModel, SchemaModel, TableModel, TriggerModel, ViewModel } from './model.js';
import type { Names } from './options.js';
import { isOurs } from './range.js';
import { unsafeViews } from './real-views.js';
import { type SequenceState, type Sides, shadowed } from './sides.js';
import { redirectBody } from './trigger-body.js';

/** What the shadow side should look like. */
export interface Desired {
  tables: DesiredTable[];
  /** In an order in which each can be created. */
  views: DesiredView[];
  sequences: DesiredSequence[];
  warnings: string[];
}

/** Where a thing of the shadow side is, and what it stands for. */
interface Twin {
  /** How messages name the real one. */
  label: string;
  /** The real schema. */
  database: string;
  /** The shadow schema, and the name in it. */
  schema: string;
  name: string;
}

export interface DesiredTable extends Twin {
  real: TableModel;
  /** The real definition, with sequences turned to their twins. */
  definition: Definition;
  hasRunColumn: boolean;
  foreignKeys: ForeignKeyModel[];
  /** In the order in which they run. */
  triggers: TriggerModel[];
}

export interface DesiredView extends Twin {
  /** With the definition over shadow tables. */
  view: ViewModel;
  /** `schema.table` of what it reads. */
  reads: string[];
}

export interface DesiredSequence extends Twin {
  state: SequenceState;
}

/** Engines that keep rows in the table itself. Others read or write elsewhere: MERGE, FEDERATED, CONNECT, SPIDER, S3, … */
const ownStorage = new Set([
  'innodb',
  'xtradb',
  'myisam',
  'aria',
  'memory',
  'rocksdb',
  'archive',
  'tokudb',
  'ndbcluster',
]);
const transactional = new Set(['innodb', 'xtradb', 'rocksdb', 'tokudb', 'ndbcluster']);
const rowBytes = 65_535;
/** InnoDB takes 1,017 columns. */
const mostColumns = 1017;

/** Derives the shadow side from the real one. Pure. Throws ShadowDbError for what cannot have a shadow. */
export function desired(sides: Sides): Desired {
  const { names } = sides;
  const warnings: string[] = [];
  checkKeys(sides, warnings);
  const rewriter = createRewriter({ ...names.options, dialect: 'mysql', cacheSize: 1 });
  const result: Desired = { tables: [], views: [], sequences: [], warnings };
  for (const [database, model] of sides.real) {
    for (const { name } of model.sequences) {
      const state = sides.sequences.get(`${database}.${name}`);
      if (state) result.sequences.push({ ...twin(names, database, name), state });
    }
    for (const table of shadowed(names, database, model)) {
      result.tables.push(desiredTable(sides, database, table, warnings));
    }
  }
  const found = [...sides.real].flatMap(([database, model]) => views(model, database, sides, rewriter, warnings));
  result.views = ordered(found, result, names, warnings);
  for (const [view, fault] of unsafeViews(sides)) {
    warnings.push(`view ${view} cannot be read by shadow traffic, since it may do more than read: ${fault}`);
  }
  checkTaken(sides, result);
  return result;
}

/** Every key must stand for something: a name that matches nothing is a mistake, a pattern may be ahead of its tables. */
function checkKeys({ names, real }: Sides, warnings: string[]): void {
  const { mapping, options } = names;
  for (const [key, tableClass] of Object.entries(options.tables)) {
    if (tableClass === 'refuse') continue;
    const claim: Claim = parseClaim(key, tableClass, options.database, (name) => mapping.fold(name));
    const [database, model] = [...real].find(([name]) => mapping.fold(name) === claim.schema) ?? [];
    const tables = model?.tables.filter((table) => !isOurs(table, model.database, names)) ?? [];
    const existing = [...tables, ...(model?.views ?? []), ...(model?.sequences ?? [])];
    const found = existing.some(({ name }) => matches(claim, mapping.fold(name)));
    if (found || database === undefined) continue;
    if (claim.kind === 'exact') throw new ShadowDbError('TABLE_MISSING', `${database}.${claim.table} does not exist`);
    warnings.push(`${key} matches no table of ${database}`);
  }
}

function matches(claim: Claim, name: string): boolean {
  return claim.kind === 'exact' ? claim.table === name : claims(claim, name);
}

function twin(names: Names, database: string, table: string): Twin {
  const { schema, table: name } = names.mapping.targetOf(database, table);
  return { label: names.label(database, table), database, schema, name };
}

function desiredTable(sides: Sides, database: string, table: TableModel, warnings: string[]): DesiredTable {
  const { names, definitions } = sides;
  const own = twin(names, database, table.name);
  const definition = definitions.get(`${database}.${table.name}`);
  if (definition === undefined)
    throw new ShadowDbError('TABLE_MISSING', `${database}.${table.name} does not exist any more`);
  checkTable(own.label, table, definition, warnings);
  const hasRunColumn = roomForRun(sides, own.label, table, warnings);
  return {
    ...own,
    real: table,
    definition: withSequences(definition, (schema, name) => sequenceTwin(names, own.label, schema, name)),
    hasRunColumn,
    foreignKeys: foreignKeys(table, own, names, warnings),
    triggers: triggers(table, own, sides, warnings),
  };
}

function checkTable(label: string, table: TableModel, definition: Definition, warnings: string[]): void {
  const engine = table.engine.toLowerCase();
  if (!ownStorage.has(engine)) {
    throw new ShadowDbError('ENGINE', `${label} has the engine ${table.engine || '?'}, whose rows may be elsewhere`);
  }
  if (!transactional.has(engine)) {
    warnings.push(`${label} has the engine ${table.engine}: its shadow rows stay when a transaction is rolled back`);
  }
  if (table.columns.some(({ name }) => name.toLowerCase() === runColumn)) {
    throw new ShadowDbError('RUN_COLUMN', `${label} has a column ${runColumn}`);
  }
  if (table.primaryKey.length === 0) {
    warnings.push(
      `${label} has no primary key: seeding cannot resume in it, the audit gives no samples of its rows, and clean-up reads it whole`,
    );
  }
  if (table.autoIncrement && !table.autoIncrement.leads) {
    warnings.push(
      `${label}.${table.autoIncrement.column} counts from 1 for each prefix of its key (${table.engine}): its shadow ids are not told from real ones`,
    );
  }
  if (table.versioned) {
    warnings.push(`${label} is system-versioned: removed shadow rows stay in its history until the table is dropped`);
  }
  for (const text of definition.directories)
    warnings.push(`${text} of ${label} is left out: shadow rows go to the data folder`);
}

function roomForRun({ names, server }: Sides, label: string, table: TableModel, warnings: string[]): boolean {
  const leftOut = (why: string): false => {
    warnings.push(`the rows of ${label} will not know their run: ${why}`);
    return false;
  };
  if (names.options.withoutRun?.includes(label)) return leftOut('the configuration says so');
  if (server.flavour === 'mysql') return leftOut('hidden columns were not tried on MySQL');
  if (table.columns.length >= mostColumns) return leftOut(`it has ${table.columns.length} columns`);
  // an upper bound: no column of a fixed size is larger than a DECIMAL(65), texts and blobs count with their pointer
  const bytes = table.columns.reduce((sum, { type, octets }) => {
    return sum + (octets !== undefined && /^(?:var)?(?:char|binary)/i.test(type) ? octets + 2 : 32);
  }, 0);
  return bytes + 66 > rowBytes ? leftOut('its row has no room for another column') : true;
}

function sequenceTwin(names: Names, label: string, schema: string, name: string): { schema: string; name: string } {
  if (names.mapping.classOf(schema, name) !== 'shadow') {
    throw new ShadowDbError('SEQUENCE', `a default of ${label} draws from the real sequence ${schema}.${name}`);
  }
  const target = names.mapping.targetOf(schema, name);
  return { schema: target.schema, name: target.table };
}

function foreignKeys(table: TableModel, own: Twin, names: Names, warnings: string[]): ForeignKeyModel[] {
  const kept: ForeignKeyModel[] = [];
  for (const key of table.foreignKeys) {
    if (names.mapping.classOf(key.parentSchema, key.parent) !== 'shadow') {
      warnings.push(
        `foreign key ${key.name} of ${own.label} is left out: a shadow row that refers to the real table ${names.label(key.parentSchema, key.parent)} would block deletes there`,
      );
      continue;
    }
    const parent = names.mapping.targetOf(key.parentSchema, key.parent);
    kept.push({ ...key, name: names.part(key.name), parentSchema: parent.schema, parent: parent.table });
  }
  return kept;
}

function triggers(table: TableModel, own: Twin, { names, server }: Sides, warnings: string[]): TriggerModel[] {
  const kept: TriggerModel[] = [];
  for (const trigger of table.triggers) {
    const result = redirectBody(
      trigger.body,
      trigger.sqlMode,
      { ...names.options, dialect: 'mysql', cacheSize: 1 },
      { database: own.database, server: server.flavour },
    );
    if ('refused' in result) {
      warnings.push(`trigger ${trigger.name} of ${own.label} is left out: ${result.refused}`);
      continue;
    }
    kept.push({ ...trigger, name: names.part(trigger.name), table: own.name, body: result.body });
  }
  return kept;
}

function views(
  model: SchemaModel,
  database: string,
  { names, server }: Sides,
  rewriter: Rewriter,
  warnings: string[],
): DesiredView[] {
  const wanted = new Set(
    names.ofClass(
      'shadow',
      model.views.map(({ name }) => name),
      database,
    ),
  );
  const found: DesiredView[] = [];
  for (const view of model.views) {
    if (!wanted.has(view.name)) continue;
    const own = twin(names, database, view.name);
    const session = { sqlMode: viewMode, database, server: server.flavour, charset: 'utf8mb4' };
    const result = rewriter.rewrite(view.definition, session);
    if (result.action === 'refuse') {
      warnings.push(`view ${own.label} is left out: ${result.code}: ${result.message}`);
      continue;
    }
    const refs = result.action === 'rewrite' ? result.reads : [];
    // measured: FOR UPDATE on a view, and INSERT … SELECT from it, lock rows of every table that it reads
    const real = refs.find(({ schema, table }) => names.mapping.classOf(schema, table) === 'real-read');
    if (real !== undefined) {
      const what = `${real.schema}.${real.table}`;
      warnings.push(
        `view ${own.label} reads the real table ${what}: FOR UPDATE on the view, or a statement that writes and reads it, locks real rows. Class ${what} shadow, with a seed, where services do that`,
      );
    }
    const reads = refs.map(({ target }) => target);
    found.push({ ...own, view: { ...view, definition: result.sql }, reads });
  }
  return found;
}

/** As the server writes views' texts. */
const viewMode = { ansiQuotes: false, noBackslashEscapes: false };

/** A view over another view comes after it; one over a view that is left out is left out too. */
function ordered(
  views: DesiredView[],
  { sequences, tables }: Desired,
  names: Names,
  warnings: string[],
): DesiredView[] {
  const there = new Set([...tables, ...sequences].map(placeOf));
  const isReady = (view: DesiredView): boolean =>
    view.reads.every((place) => there.has(place) || !isShadowPlace(place, names));
  const result: DesiredView[] = [];
  let waiting = views;
  for (let before = -1; waiting.length !== before; ) {
    before = waiting.length;
    waiting = waiting.filter((view) => {
      if (!isReady(view)) return true;
      there.add(placeOf(view));
      result.push(view);
      return false;
    });
  }
  for (const { label, reads } of waiting) {
    const missing = reads.filter((place) => !there.has(place) && isShadowPlace(place, names));
    warnings.push(`view ${label} is left out: it reads ${missing.join(', ')}, which has no shadow`);
  }
  return result;
}

function placeOf({ schema, name }: { schema: string; name: string }): string {
  return `${schema}.${name}`;
}

/** `schema.table`, where the dot of the schema comes first: a schema with a dot in its name is not known here. */
function isShadowPlace(place: string, names: Names): boolean {
  const dot = place.indexOf('.');
  return names.mapping.isShadowName(place.slice(0, dot), place.slice(dot + 1));
}

/** Names of triggers and foreign keys are one space for each schema. Real ones that stand in the way are found before anything is made. */
function checkTaken({ names, real }: Sides, { tables }: Desired): void {
  for (const schema of new Set(tables.map((table) => table.schema))) {
    const own = tables.filter((table) => table.schema === schema);
    const shadowNames = new Set(own.map(({ name }) => name));
    // in mode table the real ones are in the same schema
    const others = names.options.mode === 'table' ? (real.get(schema)?.tables ?? []) : [];
    const foreign = others.filter(({ name }) => !shadowNames.has(name));
    unique(
      'trigger',
      foreign.flatMap(({ triggers: all }) => all.map(({ name }) => name)),
      own.flatMap((table) => table.triggers.map(({ name }) => name)),
    );
    unique(
      'foreign key',
      foreign.flatMap(({ foreignKeys: all }) => all.map(({ name }) => name)),
      own.flatMap((table) => table.foreignKeys.map(({ name }) => name)),
    );
  }
}

function unique(what: string, taken: string[], wanted: string[]): void {
  const seen = new Set(taken.map((name) => name.toLowerCase()));
  for (const name of wanted) {
    if (seen.has(name.toLowerCase()))
      throw new ShadowDbError('NAME_TAKEN', `the shadow ${what} would be ${name}, which another ${what} has`);
    seen.add(name.toLowerCase());
  }
}
