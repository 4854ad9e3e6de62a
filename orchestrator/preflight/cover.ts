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
  /** Other sessions by route, to be tried where a probe was turned down: a recording holds requests that cannot be repeated. */
  others: Map<string, ProbeSession[]>;
  notes: string[];
}

/** Sites with a path for every file have thousands of routes; the most frequent ones are probed. */
const MAX_ROUTES = 60;
const MAX_RECORDS = 1_000_000;
const OTHERS_PER_ROUTE = 2;

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
  const wanted: { upTo: number; session: ProbeSession }[] = [];
  const want = (session: string, covers: string[]): ProbeSession => {
    const { firstAt } = outlines.get(session)!;
    const probe: ProbeSession = { session, records: [], covers };
    wanted.push({ upTo: Math.max(...covers.map((route) => firstAt.get(route)!)), session: probe });
    return probe;
  };
  const sessions = [...chosen].map(([session, covers]) => want(session, covers));
  const others = new Map<string, ProbeSession[]>();
  for (const route of routes) {
    const having = [...outlines.values()].filter((one) => one.firstAt.has(route) && !chosen.has(one.session));
    others.set(
      route,
      spread(having, OTHERS_PER_ROUTE).map((one) => want(one.session, [route])),
    );
  }
  await fill(recording, wanted);
  return { sessions, routes, others, notes };
}

/** `n` of the list, far from each other, the last one first. */
function spread<T>(list: readonly T[], n: number): T[] {
  const picked = new Set<T>();
  for (let i = n; i >= 1 && list.length > 0; i--) picked.add(list[Math.ceil((i / n) * list.length) - 1]!);
  return [...picked];
}

/** Reads the records of the wanted sessions. */
async function fill(recording: Recording, wanted: readonly { upTo: number; session: ProbeSession }[]): Promise<void> {
  const bySession = new Map<string, { upTo: number; session: ProbeSession }[]>();
  for (const one of wanted) {
    bySession.set(one.session.session, [...(bySession.get(one.session.session) ?? []), one]);
  }
  let open = wanted.length;
  for await (const batch of recording.read()) {
    for (const record of batch) {
      for (const { upTo, session } of bySession.get(record.session) ?? []) {
        if (session.records.length > upTo) continue;
        session.records.push(record);
        if (session.records.length > upTo) open--;
      }
    }
    if (open === 0) break;
  }
}
