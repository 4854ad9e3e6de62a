import type { DuckDBConnection } from '@duckdb/node-api';
import { withRequests } from './query.js';
import type { RecordingManifest } from './recording.js';
import { RouteTable } from './routes.js';

export interface Inspection {
  manifest: RecordingManifest;
  spanS: number;
  /** Arrivals per second over every whole second of the span, those without a request too. */
  ratePerSec: { mean: number; p50: number; p99: number; max: number };
  /** By count, highest first; past 1,000 different ones: `other`. */
  routes: { route: string; count: number; share: number }[];
  statuses: Record<string, number>;
  /** What the recorded responses took, µs; null when the source does not know (an access log). */
  latencyUs: { p50: number; p99: number; max: number } | null;
}

/** What is in a recording, in figures. @throws RecordingError */
export async function inspectRecording(dir: string): Promise<Inspection> {
  return withRequests(dir, async (connection, manifest) => {
    const [latency] = await rowsOf(
      connection,
      'SELECT quantile_disc(latency_us, 0.5), quantile_disc(latency_us, 0.99), max(latency_us) FROM requests WHERE latency_us > 0',
    );
    const statuses = await rowsOf(connection, 'SELECT status, count(*) FROM requests GROUP BY 1 ORDER BY 1');
    return {
      manifest,
      spanS: (manifest.toUs - manifest.fromUs) / 1e6,
      ratePerSec: await rates(connection, manifest),
      routes: await routes(connection, manifest.records),
      statuses: Object.fromEntries(statuses.map(([status, count]) => [String(status), Number(count)])),
      latencyUs:
        latency?.[0] == null ? null : { p50: Number(latency[0]), p99: Number(latency[1]), max: Number(latency[2]) },
    };
  });
}

async function rates(connection: DuckDBConnection, manifest: RecordingManifest): Promise<Inspection['ratePerSec']> {
  if (manifest.records === 0) return { mean: 0, p50: 0, p99: 0, max: 0 };
  const rows = await rowsOf(
    connection,
    `SELECT n, count(*) FROM (SELECT count(*) AS n FROM requests GROUP BY (t_us - ${manifest.fromUs}) // 1000000) GROUP BY n ORDER BY n`,
  );
  const seconds = Math.floor((manifest.toUs - manifest.fromUs) / 1e6) + 1;
  const counted = rows.map(([n, times]) => [Number(n), Number(times)] as [number, number]);
  const busy = counted.reduce((sum, [, times]) => sum + times, 0);
  const all: [number, number][] = [[0, seconds - busy], ...counted];
  const at = (share: number) => {
    let left = Math.ceil(share * seconds);
    for (const [n, times] of all) {
      left -= times;
      if (left <= 0) return n;
    }
    return 0;
  };
  return { mean: manifest.records / seconds, p50: at(0.5), p99: at(0.99), max: counted.at(-1)?.[0] ?? 0 };
}

async function routes(connection: DuckDBConnection, records: number): Promise<Inspection['routes']> {
  const table = new RouteTable();
  const counts = new Map<string, number>();
  const rows = await rowsOf(connection, 'SELECT route, count(*) FROM requests GROUP BY 1 ORDER BY 2 DESC, 1');
  for (const [name, count] of rows) {
    const route = table.cap(String(name));
    counts.set(route, (counts.get(route) ?? 0) + Number(count));
  }
  return [...counts].map(([route, count]) => ({ route, count, share: count / records }));
}

async function rowsOf(connection: DuckDBConnection, sql: string): Promise<unknown[][]> {
  return (await connection.runAndReadAll(sql)).getRows();
}
