import type { RecordedRequest, Recording } from '../recording/recording.js';

/** A recorded session that is played once, flagged and marked as a probe, up to the last request that covers something new. */
export interface ProbeSession {
  session: string;
  records: RecordedRequest[];
  /** Routes that this session covers and no chosen one before it. */
  covers: string[];
}

export interface Coverage {
  sessions: ProbeSession[];
  routes: string[];
  notes: string[];
}

/** Sites with a path for every file have thousands of routes; the most frequent ones are probed. */
const MAX_ROUTES = 60;
const MAX_RECORDS = 1_000_000;

/** What is known of a session: its routes, each with the place of its first request. */
interface Outline {
  session: string;
  firstAt: Map<string, number>;
}

/**
 * The fewest sessions that cover all routes, by the greedy rule (within ln n of the optimum): always the session with the most uncovered routes, and of
 * equals the one that covers them with the fewest requests. Pure.
 */
export function chooseSessions(outlines: readonly Outline[], routes: Iterable<string>): Map<string, string[]> {
  const open = new Set(routes);
  const chosen = new Map<string, string[]>();
  while (open.size > 0) {
    let best: { session: string; covers: string[]; cost: number } | undefined;
    for (const { session, firstAt } of outlines) {
      if (chosen.has(session)) continue;
      const covers = [...firstAt.keys()].filter((route) => open.has(route));
      if (covers.length === 0) continue;
      const cost = Math.max(...covers.map((route) => firstAt.get(route)!));
      const better =
        best === undefined ||
        covers.length > best.covers.length ||
        (covers.length === best.covers.length && cost < best.cost);
      if (better) best = { session, covers, cost };
    }
    if (best === undefined) break;
    chosen.set(best.session, best.covers);
    for (const route of best.covers) open.delete(route);
  }
  return chosen;
}

/** Reads the recording twice: once for the routes, once for the chosen sessions. */
export async function chooseProbes(
  recording: Recording,
  routeOf: (method: string, url: string) => string,
): Promise<Coverage> {
  const notes: string[] = [];
  const outlines = new Map<string, Outline & { length: number }>();
  const frequency = new Map<string, number>();
  let records = 0;
  for await (const batch of recording.read()) {
    for (const { session, method, url } of batch) {
      const route = routeOf(method, url);
      frequency.set(route, (frequency.get(route) ?? 0) + 1);
      let outline = outlines.get(session);
      if (outline === undefined) {
        outline = { session, firstAt: new Map(), length: 0 };
        outlines.set(session, outline);
      }
      if (!outline.firstAt.has(route)) outline.firstAt.set(route, outline.length);
      outline.length++;
      records++;
    }
    if (records >= MAX_RECORDS) {
      notes.push(`probes were chosen from the first ${records} requests of the recording`);
      break;
    }
  }
  const byFrequency = [...frequency].sort((a, b) => b[1] - a[1]).map(([route]) => route);
  const routes = byFrequency.slice(0, MAX_ROUTES);
  if (byFrequency.length > MAX_ROUTES) {
    notes.push(`the ${MAX_ROUTES} most frequent of ${byFrequency.length} routes are probed`);
  }
  const chosen = chooseSessions([...outlines.values()], routes);
  const wanted = new Map<string, { upTo: number; session: ProbeSession }>();
  for (const [session, covers] of chosen) {
    const { firstAt } = outlines.get(session)!;
    wanted.set(session, {
      upTo: Math.max(...covers.map((route) => firstAt.get(route)!)),
      session: { session, records: [], covers },
    });
  }
  let open = wanted.size;
  for await (const batch of recording.read()) {
    for (const record of batch) {
      const one = wanted.get(record.session);
      if (one === undefined || one.session.records.length > one.upTo) continue;
      one.session.records.push(record);
      if (one.session.records.length > one.upTo) open--;
    }
    if (open === 0) break;
  }
  return { sessions: [...wanted.values()].map((one) => one.session), routes, notes };
}
