/**
 * Which of the numbers 0, 1, 2, … of a staged schedule belong to which worker. Each worker plays its own shards in recorded order, and its
 * k-th request takes the worker's k-th slot; all slots together are every number exactly once, so the offered rate is the asked one however
 * many workers there are. A worker's share of the slots is its share of the recording's requests (rounded to 1/CYCLE), so that all
 * workers come round the recording together and the mix of routes stays as recorded.
 */
export interface Slots {
  /** Length of the pattern. */
  cycle: number;
  /** Positions in it that are this worker's, ascending. */
  positions: number[];
}

const CYCLE = 1000;

/** One pattern for each weight, which are counts of requests; zero counts as one, since every worker must have a slot. */
export function slotsFor(weights: readonly number[]): Slots[] {
  const counts = apportion(weights.map((weight) => Math.max(1, weight)));
  const cycle = counts.reduce((sum, count) => sum + count, 0);
  const slots: Slots[] = counts.map(() => ({ cycle, positions: [] }));
  // Smooth weighted round-robin: at each position the worker that is furthest behind its share takes the slot.
  const credit = counts.map(() => 0);
  for (let position = 0; position < cycle; position++) {
    let next = 0;
    for (let w = 0; w < counts.length; w++) {
      credit[w]! += counts[w]!;
      if (credit[w]! > credit[next]!) next = w;
    }
    credit[next]! -= cycle;
    slots[next]!.positions.push(position);
  }
  return slots;
}

/** The number of a worker's k-th request, k from 0. */
export function slotOf(slots: Slots, k: number): number {
  const perCycle = slots.positions.length;
  return Math.floor(k / perCycle) * slots.cycle + slots.positions[k % perCycle]!;
}

/** Whole numbers near weight/sum · CYCLE, at least 1 each; equal weights give 1 each. */
function apportion(weights: number[]): number[] {
  if (weights.every((weight) => weight === weights[0])) return weights.map(() => 1);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => Math.max(1, Math.round((weight / sum) * CYCLE)));
}
