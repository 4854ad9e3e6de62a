import { SeedError } from './errors.js';
import type { Edge, Graph } from './graph.js';
import type { SeedColumn, SourceTable } from './source-tables.js';
import { type MaskKind, maskOf, type Seed } from './spec.js';
import type { TypeFacts } from './sql.js';

/** What becomes of a column's value on its way. */
export type Change =
  | { kind: 'keep' }
  /** Decimal digits, with a sign when it is negative. */
  | { kind: 'shift'; by: string }
  | { kind: 'set'; value: string | number | null }
  | { kind: 'mask'; mask: MaskKind; domain: string };

/** Lengths of tokens that do not keep the length of what they replace, in characters. */
const tokenLengths: Partial<Record<MaskKind, number>> = { token: 24, email: 39, name: 13 };

type Declared = { place: string; change: Extract<Change, { kind: 'shift' | 'mask' }> };

/**
 * Changes per table and column. A shift or a mask of one column holds for every column that is tied to it by foreign keys, so that joins
 * and keys hold. Pure. Throws SeedError for what cannot be, or contradicts itself.
 */
export function columnChanges(
  graph: Graph,
  seeds: Readonly<Record<string, Seed>>,
  types: TypeFacts,
): Map<string, Map<string, Change>> {
  const ties = new Ties(graph.edges);
  const declared = new Map<string, Declared>();
  for (const [key, node] of graph.nodes) {
    for (const [column, change] of own(node.source, seeds[key] ?? {}, types)) {
      const place = `${key}.${column}`;
      const group = ties.groupOf(key, column);
      const other = declared.get(group);
      if (other !== undefined && !same(other.change, change)) {
        throw new SeedError(
          'SEED_SPEC',
          `${place} and ${other.place} are tied by a foreign key, but are changed differently`,
        );
      }
      declared.set(group, { place, change });
    }
  }
  const changes = new Map<string, Map<string, Change>>();
  for (const [key, node] of graph.nodes) {
    const set = seeds[key]?.set ?? {};
    const ofTable = new Map<string, Change>();
    for (const column of node.source.real.columns) {
      const change = declared.get(ties.groupOf(key, column.name));
      if (Object.hasOwn(set, column.name)) {
        checkSet(node.source, column, graph.edges, seeds[key]!);
        ofTable.set(column.name, { kind: 'set', value: set[column.name]! });
      } else if (change !== undefined) {
        checkFits(node.source, column, change.change, types);
        ofTable.set(column.name, change.change);
      }
    }
    for (const name of Object.keys(set)) columnOf(node.source, name);
    changes.set(key, ofTable);
  }
  return changes;
}

function own(source: SourceTable, seed: Seed, types: TypeFacts): [string, Declared['change']][] {
  const found: [string, Declared['change']][] = [];
  for (const [name, mask] of Object.entries(seed.mask ?? {})) {
    const { kind, domain } = maskOf(source.key, name, mask);
    found.push([columnOf(source, name).name, { kind: 'mask', mask: kind, domain }]);
  }
  for (const [name, by] of Object.entries(offsets(source, seed.idOffset))) {
    const column = columnOf(source, name);
    if (seed.mask !== undefined && Object.hasOwn(seed.mask, name)) {
      throw new SeedError('SEED_SPEC', `${source.key}.${name} is both shifted and masked`);
    }
    const shift = by === 'reserved' ? reservedShift(source, name) : by;
    if (types.highestOf(column.type) === undefined || (typeof shift === 'number' && !Number.isSafeInteger(shift))) {
      throw new SeedError(
        'SEED_SPEC',
        `${source.key}.${name} (${column.type}) cannot be shifted by ${shift}: it must be an integer column`,
      );
    }
    // a shift by nothing is no shift: it ties no other column
    if (Number(shift) !== 0) found.push([name, { kind: 'shift', by: String(shift) }]);
  }
  return found;
}

function offsets(source: SourceTable, idOffset: Seed['idOffset']): Record<string, number | 'reserved'> {
  if (typeof idOffset === 'object') return idOffset;
  if (idOffset === undefined) return {};
  const { autoIncrement, primaryKey } = source.real;
  const column = autoIncrement?.column ?? (primaryKey.length === 1 ? primaryKey[0] : undefined);
  if (column !== undefined) return { [column]: idOffset };
  throw new SeedError('SEED_SPEC', `idOffset of ${source.key} names no column, and the table has no single id column`);
}

function reservedShift(source: SourceTable, column: string): bigint {
  if (source.real.autoIncrement?.column === column && source.firstShadowId !== undefined) return source.firstShadowId;
  throw new SeedError(
    'SEED_SPEC',
    `${source.key}.${column} has no reserved range: only AUTO_INCREMENT columns have one`,
  );
}

function columnOf(source: SourceTable, name: string): SeedColumn {
  const column = source.real.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new SeedError('SEED_SPEC', `${source.key} has no column ${name}`);
  if (column.generation !== null) {
    throw new SeedError('SEED_SPEC', `${source.key}.${name} is generated: the server computes it`);
  }
  return column;
}

function checkSet(source: SourceTable, column: SeedColumn, edges: readonly Edge[], seed: Seed): void {
  const place = `${source.key}.${column.name}`;
  if (Object.hasOwn(seed.mask ?? {}, column.name) || Object.hasOwn(offsets(source, seed.idOffset), column.name)) {
    throw new SeedError('SEED_SPEC', `${place} cannot be set: it is shifted or masked as well`);
  }
  if (seed.set![column.name] === null && !column.nullable) {
    throw new SeedError('SEED_SPEC', `${place} cannot be set to null: it is NOT NULL`);
  }
  if (isUnique(source, column.name)) throw new SeedError('SEED_SPEC', `${place} cannot be set: it is unique`);
  if (edges.some(({ parent, parentColumns }) => parent === source.key && parentColumns.includes(column.name))) {
    throw new SeedError('SEED_SPEC', `${place} cannot be set: other tables refer to it`);
  }
}

function isUnique({ real }: SourceTable, column: string): boolean {
  return real.indexes.some(({ unique, columns }) => unique && columns.length === 1 && columns[0] === column);
}

function checkFits(source: SourceTable, column: SeedColumn, change: Declared['change'], types: TypeFacts): void {
  const place = `${source.key}.${column.name}`;
  if (column.generation !== null) {
    throw new SeedError('SEED_SPEC', `${place} is generated, and tied to a column that is changed`);
  }
  if (change.kind === 'shift') {
    checkShift(source, column, BigInt(change.by), types);
    return;
  }
  const kind = change.mask;
  if (types.isExact(column.type)) {
    if (kind === 'digits' || kind === 'phone' || kind === 'card') return;
    throw new SeedError(
      'SEED_SPEC',
      `${place} (${column.type}) cannot hold a token of kind ${kind}: numbers are masked by digits or card`,
    );
  }
  if (!types.isText(column.type))
    throw new SeedError('SEED_SPEC', `${place} (${column.type}) cannot be masked: use set`);
  if (kind === 'name' && isUnique(source, column.name)) {
    throw new SeedError(
      'SEED_SPEC',
      `${place} is unique, and tokens of kind name are few: two rows would get the same. Use token`,
    );
  }
  const length = types.lengthOf(column.type) ?? Number.POSITIVE_INFINITY;
  const needed = tokenLengths[kind] ?? 0;
  if (length < needed) {
    throw new SeedError(
      'SEED_SPEC',
      `${place} (${column.type}) is too short for a token of kind ${kind}, which has ${needed} characters`,
    );
  }
}

function checkShift(source: SourceTable, column: SeedColumn, by: bigint, types: TypeFacts): void {
  const limit = types.highestOf(column.type);
  const { autoIncrement } = source.real;
  const reached = autoIncrement?.column === column.name ? BigInt(autoIncrement.highest) : 0n;
  if (limit === undefined || reached + by > limit) {
    throw new SeedError(
      'SEED_RANGE',
      `${source.key}.${column.name} (${column.type}) ends at ${limit ?? '?'}: ids up to ${reached} cannot be shifted by ${by}`,
    );
  }
}

function same(one: Declared['change'], two: Declared['change']): boolean {
  if (one.kind === 'shift') return two.kind === 'shift' && one.by === two.by;
  return two.kind === 'mask' && one.domain === two.domain && one.mask === two.mask;
}

/** Groups of columns that hold the same values because foreign keys tie them. */
class Ties {
  private readonly leaders = new Map<string, string>();

  constructor(edges: readonly Edge[]) {
    for (const { child, columns, parent, parentColumns } of edges) {
      columns.forEach((column, at) => {
        this.leaders.set(this.groupOf(child, column), this.groupOf(parent, parentColumns[at]!));
      });
    }
  }

  groupOf(table: string, column: string): string {
    let place = JSON.stringify([table, column]);
    for (
      let leader = this.leaders.get(place);
      leader !== undefined && leader !== place;
      leader = this.leaders.get(place)
    ) {
      place = leader;
    }
    return place;
  }
}
