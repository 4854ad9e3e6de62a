import type { TableName } from '../../mapping.js';
import type { DesiredSequence, DesiredTable } from './desired.js';
import { actualSequence, actualTable, structure, viewDrift } from './drift.js';
import { markedFirst } from './mark.js';
import type { SequenceModel, TableModel } from './model.js';
import type { Names } from './options.js';
import { sameTable, shown } from './quote.js';
import { firstShadowId, highestOf, type ReservedRange } from './range.js';
import type { Situation } from './situation.js';
import type { DesiredView } from './view.js';

/** What of the shadow side is made anew, what is kept, and where shadow ids begin. All steps follow from it. */
export class Remake {
  readonly situation: Situation;
  readonly names: Names;
  /** Tables that are missing or have drifted; when one of the tree of a partitioned table has, all of the tree goes. */
  readonly tables: readonly DesiredTable[];
  /** Views that are there and cannot stay. Missing ones are not among them. */
  readonly droppedViews: readonly DesiredView[];
  readonly reserved: ReservedRange[] = [];
  private readonly firsts = new Map<DesiredSequence, bigint>();

  /** Throws ShadowDbError AUTO_INCREMENT_RANGE where there is no room for shadow ids. */
  constructor(situation: Situation, names: Names) {
    this.situation = situation;
    this.names = names;
    this.tables = remadeTables(situation, names);
    this.droppedViews = droppedViews(situation, names, (table) => this.takes(table));
    this.reserve();
  }

  /** The shadow table goes, or is not there yet. */
  takes(target: TableName): boolean {
    return this.tables.some((table) => sameTable(table.target, target));
  }

  /** Shadow tables that are there and stay. */
  kept(table: DesiredTable): TableModel | undefined {
    return this.tables.includes(table) ? undefined : actualTable(table.target, this.situation.model);
  }

  /** A sequence goes with the table that owns it. */
  keptSequence(sequence: DesiredSequence): SequenceModel | undefined {
    const actual = actualSequence(sequence, this.situation.model);
    const goes = actual?.owner && this.takes(actual.owner);
    return goes ? undefined : actual;
  }

  /** The first shadow id of a sequence. */
  firstOf(sequence: DesiredSequence): bigint {
    return this.firsts.get(sequence) as bigint;
  }

  /** Everything that does not stay as it is: what was granted on it goes with it. */
  get targets(): TableName[] {
    const sequences = this.situation.wanted.sequences.filter((one) => this.keptSequence(one) === undefined);
    return [...this.tables, ...this.droppedViews, ...sequences].map(({ target }) => target);
  }

  private reserve(): void {
    const { wanted, highest } = this.situation;
    for (const sequence of wanted.sequences) {
      const actual = this.keptSequence(sequence);
      const known = actual && markedFirst(actual);
      const first =
        known === undefined ? firstShadowId(sequence, highest.get(shown(sequence.real)), this.names) : BigInt(known);
      this.firsts.set(sequence, first);
      for (const { table, column } of sequence.users)
        if (highestOf(column.type) !== undefined)
          this.reserved.push({ table: this.names.plain(table), column: column.name, firstShadowId: String(first) });
    }
  }
}

function remadeTables({ wanted, model }: Situation, names: Names): DesiredTable[] {
  const rootOf = (table: DesiredTable): DesiredTable => {
    const parent =
      table.partitionOf && wanted.tables.find(({ target }) => sameTable(target, table.partitionOf as TableName));
    return parent ? rootOf(parent) : table;
  };
  const broken = new Set<DesiredTable>();
  for (const table of wanted.tables) {
    const actual = actualTable(table.target, model);
    if (actual !== undefined && structure(table, actual, names).length > 0) broken.add(rootOf(table));
  }
  return wanted.tables.filter((table) => broken.has(rootOf(table)) || actualTable(table.target, model) === undefined);
}

function droppedViews(
  { wanted, model }: Situation,
  names: Names,
  isRemade: (table: TableName) => boolean,
): DesiredView[] {
  const dropped = new Set<string>();
  // in the order in which they were made, so that a view over a dropped view goes too
  return wanted.views.filter((view) => {
    const actual = model.views.find((one) => sameTable(one, view.target));
    const isBroken =
      actual &&
      (viewDrift(view, model, names).length > 0 ||
        actual.reads.some((read) => isRemade(read) || dropped.has(shown(read))));
    if (isBroken) dropped.add(shown(view.target));
    return isBroken;
  });
}
