import { keyOf } from './choose.js';
import type { Edge } from './graph.js';
import { Pace } from './pace.js';
import type { Work } from './work.js';

export interface ClosureFinding {
  /** Foreign key, and its table as the configuration names it. */
  foreignKey: string;
  table: string;
  /** Rows of which the reference was made NULL. */
  cleared: number;
  /** Rows that were removed, as the reference cannot be NULL. */
  removed: number;
  /** Rows that still refer to nothing: they cannot be named one by one, or are not the seeder's. */
  left: number;
}

/**
 * Looks for seeded rows that refer to no seeded row. Real tables change while they are copied, and may hold such rows themselves; they are made to
 * refer to nothing where they may, and else removed, until there are none. Only shadow rows are looked at. Returns what was not in order.
 */
export async function checkClosure(work: Work, mayChange: (table: string) => boolean): Promise<ClosureFinding[]> {
  const findings = new Map<Edge, ClosureFinding>();
  const waiting = [...work.plan.edges];
  for (let edge = waiting.shift(); edge !== undefined; edge = waiting.shift()) {
    const finding = findings.get(edge) ?? {
      foreignKey: edge.name,
      table: edge.child,
      cleared: 0,
      removed: 0,
      left: 0,
    };
    const removedBefore = finding.removed;
    await mendEdge(work, edge, finding, mayChange(edge.child));
    if (finding.cleared + finding.removed + finding.left > 0) findings.set(edge, finding);
    if (finding.removed === removedBefore) continue;
    // rows that referred to the removed ones
    for (const other of work.plan.edges) {
      if (other.parent === edge.child && !waiting.includes(other)) waiting.push(other);
    }
  }
  return [...findings.values()];
}

async function mendEdge(work: Work, edge: Edge, finding: ClosureFinding, mayChange: boolean): Promise<void> {
  const [child, parent] = [work.table(edge.child), work.table(edge.parent)];
  const { keyColumns } = child;
  const { sql } = work;
  finding.left = 0;
  if (keyColumns.length === 0) {
    const [row] = await work.db.query(sql.selectDangling(edge, child, parent, 'TRUE'));
    finding.left = Number(row?.n ?? 0);
    return;
  }
  const mayClear = edge.columns.every((name) => {
    const column = child.columns.find(({ model }) => model.name === name);
    return column?.model.nullable === true && !keyColumns.some((key) => key.name === name);
  });
  const pace = new Pace({ maxChunkRows: 20_000, maxChunkMs: 500 }, 5000);
  for (let after: string[] | undefined; ; ) {
    const startMs = performance.now();
    const [end] = await work.db.query(sql.chunkEnd(child.target, child, after, pace.rows));
    const upto = end && keyOf(child, end, 'k');
    const range = sql.rangeCondition(keyColumns, after, upto, undefined, 'c.');
    const found = await work.db.query(sql.selectDangling(edge, child, parent, range)).catch((error) => {
      throw work.translated(error, `checking ${edge.name}`);
    });
    const keys = found.map((row) => keyOf(child, row, 'k'));
    if (!mayChange) finding.left += keys.length;
    for (let at = 0; mayChange && at < keys.length; at += 500) {
      const some = keys.slice(at, at + 500);
      const change = mayClear ? sql.clearReference(edge, child, some) : sql.deleteRows(child, some);
      await work.transaction(`mending ${edge.name}`, () => work.db.query(change));
      finding[mayClear ? 'cleared' : 'removed'] += some.length;
    }
    pace.done(pace.rows, performance.now() - startMs);
    work.checkSignal();
    if (upto === undefined) return;
    after = upto;
  }
}
