import { createRewriter, type RewriterOptions } from '../../mysql/rewriter.js';
import { ShadowDbError } from '../db.js';
import type { ForeignKeyModel, SchemaModel, TableModel, TriggerModel, ViewModel } from './inspect.js';
import type { Names } from './options.js';
import { redirectBody } from './trigger-body.js';

/** What the shadow side should look like. */
export interface Desired {
  tables: DesiredTable[];
  /** In an order in which each can be created. */
  views: ViewModel[];
  warnings: string[];
}

export interface DesiredTable {
  real: TableModel;
  name: string;
  foreignKeys: ForeignKeyModel[];
  triggers: TriggerModel[];
}

/** Derives the shadow side from the real one. Pure. Throws ShadowDbError for a classed table that does not exist. */
export function desired(real: SchemaModel, names: Names): Desired {
  const { options } = names;
  const rewriterOptions: RewriterOptions = { ...options, dialect: 'mysql', cacheSize: 1 };
  const warnings: string[] = [];
  const wanted = names.ofClass('shadow');
  const views = real.views.filter(({ name }) => wanted.includes(name));
  for (const name of [...wanted, ...names.ofClass('real-read')]) {
    if (!real.tables.some((table) => table.name === name) && !real.views.some((view) => view.name === name)) {
      throw new ShadowDbError('TABLE_MISSING', `${options.database}.${name} does not exist`);
    }
  }
  const tables = real.tables
    .filter(({ name }) => wanted.includes(name))
    .map((table) => ({
      real: table,
      name: names.shadow(table.name),
      foreignKeys: foreignKeys(table, names, wanted, warnings),
      triggers: triggers(table, names, rewriterOptions, warnings),
    }));
  return { tables, views: shadowViews(views, names, rewriterOptions, warnings), warnings };
}

function foreignKeys(table: TableModel, names: Names, wanted: string[], warnings: string[]): ForeignKeyModel[] {
  const kept: ForeignKeyModel[] = [];
  for (const key of table.foreignKeys) {
    if (key.parentSchema !== names.options.database || !wanted.includes(key.parent)) {
      warnings.push(
        `foreign key ${key.name} of ${table.name} is left out: a shadow row that refers to the real table ${key.parent} would block deletes there`,
      );
      continue;
    }
    kept.push({ ...key, name: names.shadow(key.name), parentSchema: names.schema, parent: names.shadow(key.parent) });
  }
  return kept;
}

function triggers(table: TableModel, names: Names, options: RewriterOptions, warnings: string[]): TriggerModel[] {
  const kept: TriggerModel[] = [];
  for (const trigger of table.triggers) {
    const result = redirectBody(trigger.body, trigger.sqlMode, options);
    if ('refused' in result) {
      warnings.push(`trigger ${trigger.name} of ${table.name} is left out: ${result.refused}`);
      continue;
    }
    kept.push({ ...trigger, name: names.shadow(trigger.name), table: names.shadow(table.name), body: result.body });
  }
  return kept;
}

/** Views over shadow tables; a view over another view comes after it. */
function shadowViews(views: ViewModel[], names: Names, options: RewriterOptions, warnings: string[]): ViewModel[] {
  const rewriter = createRewriter(options);
  const waiting = new Map<string, { view: ViewModel; needs: string[] }>();
  for (const view of views) {
    const result = rewriter.rewrite(view.definition, { sqlMode: { ansiQuotes: false, noBackslashEscapes: false } });
    if (result.action === 'refuse') {
      warnings.push(`view ${view.name} is left out: ${result.code}: ${result.message}`);
      continue;
    }
    const needs = result.action === 'rewrite' ? result.reads.map(({ table }) => table) : [];
    waiting.set(view.name, { view: { ...view, name: names.shadow(view.name), definition: result.sql }, needs });
  }
  const ordered: ViewModel[] = [];
  while (waiting.size > 0) {
    const before = waiting.size;
    for (const [name, { view, needs }] of waiting) {
      if (needs.some((need) => need !== name && waiting.has(need))) continue;
      ordered.push(view);
      waiting.delete(name);
    }
    if (waiting.size === before) break;
  }
  return ordered;
}
