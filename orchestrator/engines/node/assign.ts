import { type Slots, slotsFor } from './slots.js';

export interface Assignment {
  shards: number[];
  slots: Slots;
}

/** Shards to workers: the fullest shard first, always to the worker with the fewest requests. Empty shards are left out. */
export function assignShards(recordsOfShard: readonly number[], workers: number): Assignment[] {
  const loads = Array.from({ length: workers }, () => ({ shards: [] as number[], records: 0 }));
  const order = recordsOfShard.map((records, shard) => ({ records, shard })).filter(({ records }) => records > 0);
  order.sort((a, b) => b.records - a.records || a.shard - b.shard);
  for (const { records, shard } of order) {
    const least = loads.reduce((best, load) => (load.records < best.records ? load : best));
    least.shards.push(shard);
    least.records += records;
  }
  const slots = slotsFor(loads.map((load) => load.records));
  return loads.map((load, w) => ({ shards: load.shards.sort((a, b) => a - b), slots: slots[w]! }));
}
