export interface Point {
  x: number;
  /** null: a gap in the line. */
  y: number | null;
}

/**
 * At most `max` points (max >= 4) that look the same when drawn: the first and the last stay, and of each of the equal buckets between
 * them its lowest and its highest point, in order of time, so that no peak is lost. A bucket without any value stays a gap.
 */
export function downsample(points: readonly Point[], max = 2000): Point[] {
  if (points.length <= max) return [...points];
  const inner = points.slice(1, -1);
  const buckets = Math.max(1, Math.floor((max - 2) / 2));
  const kept: Point[] = [points[0]!];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * inner.length) / buckets);
    const to = Math.floor(((bucket + 1) * inner.length) / buckets);
    kept.push(...extremes(inner.slice(from, to)));
  }
  kept.push(points[points.length - 1]!);
  return kept;
}

function extremes(bucket: readonly Point[]): Point[] {
  let low: Point | undefined;
  let high: Point | undefined;
  for (const point of bucket) {
    if (point.y === null) continue;
    if (low === undefined || point.y < low.y!) low = point;
    if (high === undefined || point.y > high.y!) high = point;
  }
  if (low === undefined || high === undefined) return bucket.slice(0, 1);
  if (low === high) return [low];
  return low.x < high.x ? [low, high] : [high, low];
}
