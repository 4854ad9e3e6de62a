import { createRewriter } from '../../mysql/rewriter.js';
import type { Sides } from './sides.js';

/** Real views that shadow traffic may not read though their class says so, and why; keys are `schema.view`. */
export type UnsafeViews = ReadonlyMap<string, string>;

/**
 * A view runs with the rights of its definer: reading one that calls a stored function or draws from a sequence can write real rows, whatever the restricted
 * account may do. So a view of class real-read is readable only when all that it reads is known, down to the tables, and every function is built in. Pure.
 */
export function unsafeViews({ names, real, server }: Sides): UnsafeViews {
  const [main = ''] = names.databases;
  const tables = Object.fromEntries(names.databases.map((database) => [`${database}.*`, 'real-read' as const]));
  const rewriter = createRewriter({
    dialect: 'mysql',
    mode: 'table',
    database: main,
    tables,
    suffix: names.mapping.suffix,
    ignoreCase: names.mapping.ignoreCase,
    cacheSize: 1,
  });
  const context = {
    sqlMode: { ansiQuotes: false, noBackslashEscapes: false },
    server: server.flavour,
    charset: 'utf8mb4',
  };
  const fold = (schema: string, name: string): string => `${names.mapping.fold(schema)}.${names.mapping.fold(name)}`;
  const definitions = new Map<string, { database: string; definition: string }>();
  for (const [database, model] of real) {
    for (const { name, definition } of model.views) definitions.set(fold(database, name), { database, definition });
  }
  const known = new Map<string, string | undefined>();
  const faultOf = (key: string): string | undefined => {
    if (known.has(key)) return known.get(key);
    const view = definitions.get(key);
    if (view === undefined) return undefined;
    // a view that comes back to itself is invalid: the server says so
    known.set(key, undefined);
    const result = rewriter.rewrite(view.definition, { ...context, database: view.database });
    let fault: string | undefined;
    if (result.action === 'refuse') fault = `${result.code}: ${result.message}`;
    else if (result.action === 'rewrite') {
      const inner = result.reads.find(({ schema, table }) => faultOf(fold(schema, table)) !== undefined);
      if (inner) fault = `it reads ${inner.schema}.${inner.table}: ${faultOf(fold(inner.schema, inner.table))}`;
    }
    known.set(key, fault);
    return fault;
  };
  const unsafe = new Map<string, string>();
  for (const [database, model] of real) {
    const views = model.views.map(({ name }) => name);
    for (const name of names.ofClass('real-read', views, database)) {
      const fault = faultOf(fold(database, name));
      if (fault !== undefined) unsafe.set(`${database}.${name}`, fault);
    }
  }
  return unsafe;
}
