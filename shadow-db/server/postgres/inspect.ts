import type { Db } from '../db.js';
import type {
  ColumnModel,
  ConstraintModel,
  ForeignKeyModel,
  IndexModel,
  SchemaModel,
  SequenceModel,
  StatisticsModel,
  TableModel,
  TriggerModel,
  ViewModel,
} from './model.js';
import * as queries from './queries.js';
import { fromJson, type Server } from './session.js';

type Part<Item> = Item & { table: string };

/**
 * Reads the structure of some schemas from pg_catalog; to be called in a snapshot (`inSnapshot`), where names are printed with
 * their schema. Changes nothing, and locks nothing but the catalog's rows.
 */
export async function inspect(db: Db, server: Server, schemas: readonly string[]): Promise<SchemaModel> {
  const asked = JSON.stringify(schemas);
  const ask = async <Item>(sql: string): Promise<Item[]> =>
    (await db.query(sql, [asked])).map((row) => fromJson<Item>(row.j));
  const columns = groups(await ask<Part<ColumnModel>>(queries.columns(server.version)));
  const constraints = groups(await ask<Part<ConstraintModel>>(queries.constraints));
  const foreignKeys = groups(await ask<Part<ForeignKeyModel>>(queries.foreignKeys(server.version)));
  const indexes = groups(await ask<Part<IndexModel>>(queries.indexes));
  const triggers = groups(await ask<Part<TriggerModel>>(queries.triggers));
  const statistics = groups(await ask<Part<StatisticsModel>>(queries.statistics));
  const tables = await ask<TableModel>(queries.tables);
  for (const table of tables) {
    table.columns = columns.get(table.oid) ?? [];
    table.constraints = constraints.get(table.oid) ?? [];
    table.foreignKeys = foreignKeys.get(table.oid) ?? [];
    table.indexes = indexes.get(table.oid) ?? [];
    table.triggers = triggers.get(table.oid) ?? [];
    table.statistics = statistics.get(table.oid) ?? [];
  }
  return {
    schemas: await ask(queries.schemas),
    tables,
    views: await ask<ViewModel>(queries.views),
    sequences: (await ask<SequenceModel>(queries.sequences)).map((one) => ({ ...one, last: one.last ?? undefined })),
    taken: await ask(queries.taken),
    functions: await ask(queries.functions),
  };
}

function groups<Item>(parts: Part<Item>[]): Map<string, Item[]> {
  const found = new Map<string, Item[]>();
  for (const { table, ...item } of parts) {
    const group = found.get(table);
    if (group) group.push(item as Item);
    else found.set(table, [item as Item]);
  }
  return found;
}
