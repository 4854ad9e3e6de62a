import { createHash } from 'node:crypto';
import { parse } from 'libpg-query';
import type { TableName } from '../../mapping.js';
import { objection } from './expression.js';
import type { ViewModel } from './model.js';
import type { Names } from './options.js';
import { full, quote, sameTable, shown } from './quote.js';

export interface DesiredView {
  real: ViewModel;
  target: TableName;
  definition: string;
  reads: TableName[];
  digest: string;
}

interface Reference extends TableName {
  /** In bytes of UTF-8. */
  location: number;
  hasAlias: boolean;
}

/**
 * The view over shadow tables, or why there can be none. The server prints a view with every table named in full, so each reference is
 * found by the server's own parser and replaced where it stands; what is found must be what the catalog says that the view reads.
 */
export async function shadowView(
  view: ViewModel,
  names: Names,
  isShadow: (table: TableName) => boolean,
): Promise<DesiredView | string> {
  if (view.kind === 'm') return 'it is materialized: refreshing it would read and store rows of its own';
  const reason = objection(view.definition, view.functions);
  if (reason !== undefined) return reason;
  const references = (await referencesOf(view.definition)).filter(({ schema }) => schema !== '');
  const missed = view.reads.filter(
    (read) => read.schema !== 'pg_catalog' && !references.some((one) => sameTable(one, read)),
  );
  if (missed[0]) return `${shown(missed[0])} is not found in its text`;
  const reads: TableName[] = [];
  let bytes = Buffer.from(view.definition);
  for (const reference of references.sort((a, b) => b.location - a.location)) {
    const isShadowed = isShadow(reference);
    if (!isShadowed && names.mapping.classOf(reference.schema, reference.table) !== 'real-read')
      return `it reads ${shown(reference)}, which is classed neither shadow nor real-read`;
    const target = isShadowed ? names.target(reference) : { schema: reference.schema, table: reference.table };
    if (!reads.some((read) => sameTable(read, target))) reads.push(target);
    if (!isShadowed) continue;
    const [head, rest] = [bytes.subarray(0, reference.location), bytes.subarray(reference.location).toString()];
    const written = qualifiedName.exec(rest)?.[0];
    if (written === undefined) return `the name of ${shown(reference)} is not found in its text`;
    const alias = reference.hasAlias ? '' : ` AS ${quote(reference.table)}`;
    bytes = Buffer.concat([head, Buffer.from(full(target) + alias + rest.slice(written.length))]);
  }
  const digest = createHash('sha256')
    .update(JSON.stringify([view.definition, view.options]))
    .digest('hex')
    .slice(0, 16);
  return { real: view, target: names.target(view), definition: bytes.toString(), reads, digest };
}

const qualifiedName = /^(?:"(?:[^"]|"")+"|[^\s".,;()]+)\.(?:"(?:[^"]|"")+"|[^\s".,;()]+)/;

async function referencesOf(sql: string): Promise<Reference[]> {
  const found: Reference[] = [];
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) for (const item of node) walk(item);
    else if (typeof node === 'object' && node !== null) {
      for (const [key, value] of Object.entries(node)) {
        if (key === 'RangeVar') {
          const { schemaname = '', relname, location = 0, alias } = value as Record<string, never>;
          found.push({
            schema: schemaname,
            table: relname as unknown as string,
            location,
            hasAlias: alias !== undefined,
          });
        } else walk(value);
      }
    }
  };
  walk(await parse(sql));
  return found;
}

/** A view over another view comes after it. */
export function ordered(views: readonly DesiredView[]): DesiredView[] {
  const done: DesiredView[] = [];
  const visit = (view: DesiredView): void => {
    if (done.includes(view)) return;
    for (const read of view.reads) {
      const below = views.find(({ target }) => target !== view.target && sameTable(target, read));
      if (below) visit(below);
    }
    done.push(view);
  };
  for (const view of views) visit(view);
  return done;
}
