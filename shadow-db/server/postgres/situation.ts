import { createHash } from 'node:crypto';
import type { TableName } from '../../mapping.js';
import { type Db, ShadowDbError } from '../db.js';
import type { SeedPlan } from '../seed/plan.js';
import { checkRole, everybodyConnects, publicWarnings, type RoleState, readRole } from './account.js';
import { type Desired, desired } from './desired.js';
import { actualTable } from './drift.js';
import { inspect } from './inspect.js';
import { isMarked } from './mark.js';
import type { SchemaModel } from './model.js';
import { Names, type ShadowDbOptions } from './options.js';
import { shown } from './quote.js';
import { readHighest } from './range.js';
import { checkRights } from './rights.js';
import { rowsName } from './rows.js';
import { isSeedHelper, journalName } from './seed.js';
import { inSnapshot, type Server } from './session.js';

/** All that a plan is made from: both sides as they are at one time, and what the shadow side should be. */
export interface Situation {
  server: Server;
  model: SchemaModel;
  wanted: Desired;
  /** Highest real ids by sequence; see `readHighest`. */
  highest: ReadonlyMap<string, bigint>;
  /** undefined: the role does not exist. */
  role: RoleState | undefined;
  /** PUBLIC may connect to the database. */
  everybodyConnects: boolean;
  warnings: string[];
  seed?: SeedPlan;
}

/** Changes nothing. Throws ShadowDbError for what stands against any plan: a schema, a right or a role. */
export async function readSituation(db: Db, server: Server, options: ShadowDbOptions): Promise<Situation> {
  const names = new Names(options);
  const user = options.account?.user;
  const warnings: string[] = [];
  const read = await inSnapshot(db, async () => {
    const model = await inspect(db, server, [...names.realSchemas, ...names.shadowSchemas]);
    const missing = names.realSchemas.find((schema) => !model.schemas.some(({ name }) => name === schema));
    if (missing !== undefined) {
      throw new ShadowDbError('DATABASE_MISSING', `the database ${server.database} has no schema ${missing}`);
    }
    const wanted = await desired(model, names);
    await checkRights(db, wanted, model, names, server);
    const role = await readRole(db, user);
    if (user !== undefined) {
      checkRole(user, role, names);
      warnings.push(...(await publicWarnings(db, names)));
    }
    warnings.push(...(await publicationWarnings(db, names, server)));
    return { model, wanted, role, everybodyConnects: await everybodyConnects(db) };
  });
  if (read.wanted.views.length > 0 && server.version < 150_000) {
    warnings.push(
      'views run with the rights of their owner before version 15; they read shadow and real-read tables only',
    );
  }
  const highest = await readHighest(db, read.wanted.sequences, warnings);
  return { server, ...read, highest, warnings };
}

/** Publications that take every new table: shadow rows would go to whoever replicates the real ones. */
async function publicationWarnings(db: Db, names: Names, server: Server): Promise<string[]> {
  const inSchema =
    server.version >= 150_000
      ? `UNION ALL SELECT p.pubname, 'TABLES IN SCHEMA ' || quote_ident(n.nspname) FROM pg_publication p
           JOIN pg_publication_namespace s ON s.pnpubid = p.oid JOIN pg_namespace n ON n.oid = s.pnnspid WHERE n.nspname IN (SELECT jsonb_array_elements_text($1::jsonb))`
      : '';
  const rows = await db.query(
    `SELECT pubname AS name, 'ALL TABLES' AS scope FROM pg_publication WHERE puballtables AND $1::jsonb IS NOT NULL ${inSchema} ORDER BY 1, 2`,
    [JSON.stringify(names.shadowSchemas)],
  );
  return rows.map(
    ({ name, scope }) =>
      `publication ${name} is FOR ${scope}, shadow tables too: its subscribers get shadow rows, or stop where they have no table of that name. Publish the real tables by their names`,
  );
}

/** Every name that will be made must be free, or be ours. Throws ShadowDbError NAME_TAKEN. */
export function checkTaken({ wanted, model, seed }: Situation, names: Names): void {
  const ours = new Set<string>();
  const mine = (name: TableName): void => void ours.add(JSON.stringify([name.schema, name.table]));
  for (const table of model.tables.filter(isMarked)) {
    mine(table);
    for (const { name } of [...table.constraints, ...table.indexes]) mine({ schema: table.schema, table: name });
  }
  for (const view of model.views.filter(isMarked)) mine(view);
  for (const sequence of model.sequences) {
    const owner = sequence.owner && actualTable(sequence.owner, model);
    if (isMarked(sequence) || (owner && isMarked(owner))) mine(sequence);
  }
  const needed = [
    ...wanted.tables.flatMap(({ target, constraints, indexes }) => [
      target,
      ...constraints.filter(({ kind }) => kind !== 'c').map(({ name }) => ({ schema: target.schema, table: name })),
      ...indexes.map(({ name }) => ({ schema: target.schema, table: name })),
    ]),
    ...wanted.sequences.map(({ target }) => target),
    ...wanted.views.map(({ target }) => target),
    ...(wanted.tables.length > 0 ? [rowsName(names)] : []),
    ...(seed === undefined ? [] : [journalName(names)]),
  ];
  const taken = new Set(model.taken.map((name) => JSON.stringify([name.schema, name.table])));
  for (const name of needed) {
    const key = JSON.stringify([name.schema, name.table]);
    if (taken.has(key) && !ours.has(key)) throw new ShadowDbError('NAME_TAKEN', `${shown(name)} exists`);
  }
}

/** What a plan rests on: the tables that it is about, what is ours, and the role. Rows and sequences may move on, since ids keep their distance. */
export function fingerprint({ model, wanted, role, server }: Situation, names: Names): string {
  // what a seeder keeps beside the shadow tables comes and goes with its work
  const ours = [...model.tables, ...model.views, ...model.sequences].filter(
    (item) => isMarked(item) && !isSeedHelper(item, names),
  );
  const parts = [server.database, model.schemas.map(({ name }) => name), wanted, ours, model.functions, role ?? null];
  const text = JSON.stringify(parts, (key, value) => (key === 'last' || key === 'storage' ? undefined : value));
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
