import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type {
  Latencies,
  LatencySummary,
  Result,
  SeriesPoint,
  Step,
  StoreAudit,
} from '../orchestrator/result/schema.js';
import { ReportError } from './errors.js';
import { plural } from './format.js';
import { readNdjson } from './ndjson.js';

/** A latency without samples: percentiles of seconds cannot be put together again, so none is given. */
const NONE: LatencySummary = {
  count: 0,
  meanUs: 0,
  p50Us: 0,
  p90Us: 0,
  p95Us: 0,
  p99Us: 0,
  p999Us: 0,
  maxUs: 0,
};
const NO_LATENCIES: Latencies = { response: NONE, service: NONE, lateness: NONE, sessionWait: NONE };
const UNKNOWN = 'not known: the run did not end';

interface Traces {
  name: string;
  target: string;
  /** ISO 8601, first and last sign of life in ledger and log. */
  firstAt: string | null;
  lastAt: string | null;
  stores: StoreAudit[];
  services: { name: string; instances: number }[];
  lastMessages: string[];
  notes: string[];
}

/**
 * The result of a run that did not end (its process was killed, the machine went down): outcome `error`, isolation `not-checked`, and what
 * scenario.yaml, series.ndjson, ledger.ndjson and log.ndjson still say. Each of them may be missing or cut. Throws a ReportError
 * when none of them is there.
 */
export async function partialResult(
  runDir: string,
  series: SeriesPoint[],
  why: 'missing' | 'damaged',
): Promise<Result> {
  const traces = await readTraces(runDir);
  const load = series.filter((point) => point.phase !== 'baseline');
  const lastS = load.at(-1)?.tS;
  const sum = (field: 'offered' | 'started' | 'completed' | 'errors' | 'dropped'): number =>
    load.reduce((total, point) => total + point[field], 0);
  const until =
    lastS !== undefined
      ? `its last sign of life is second ${lastS} of the load`
      : series.length > 0
        ? 'it stopped before the load began'
        : 'it left no second of load';
  const written =
    why === 'missing'
      ? 'No result.json was written.'
      : 'result.json is damaged; this was rebuilt from the other files.';
  return {
    version: 1,
    run: {
      id: basename(runDir),
      name: traces.name,
      target: traces.target,
      startedAt: traces.firstAt ?? UNKNOWN,
      endedAt: traces.lastAt ?? UNKNOWN,
      loadStartedAt: null,
      loadSeconds: lastS === undefined ? 0 : lastS + 1,
      endedBecause: 'the run did not end',
    },
    verdict: {
      outcome: 'error',
      exitCode: 1,
      sentence: `The run did not end: ${until}. Nothing was audited, so whether shadow data leaked is not known.`,
      reasons: [
        written,
        'The leak check was not made. Run `stress shadow-db verify` and look at the stores before the next run.',
        ...traces.lastMessages.map((message) => `Last in the log: ${message}`),
      ],
    },
    capacity: {
      sentence: 'Nothing can be said about capacity: percentiles over a step need the whole run.',
      sustained: null,
      firstMissed: null,
      limitedBy: null,
    },
    totals: {
      offered: sum('offered'),
      started: sum('started'),
      completed: sum('completed'),
      errors: sum('errors'),
      dropped: sum('dropped'),
      late: 0,
      sessions: 0,
    },
    latencies: NO_LATENCIES,
    steps: stepsOf(load),
    thresholds: [],
    guardrails: [],
    topology: {
      services: traces.services.map(({ name, instances }) => ({
        name,
        layer: null,
        instances,
        agentVersions: [],
        configVersions: [],
        cpuShareMax: null,
        eventLoopUtilizationMax: null,
        lostAtS: null,
      })),
      edges: [],
    },
    endpoints: [],
    errors: [],
    isolation: {
      outcome: 'not-checked',
      sentence: 'Isolation was not checked: the run did not reach its leak check.',
      stores: traces.stores,
      leaks: [],
      coverage: [],
      canary: { value: '', placed: 0, foundInShadow: null },
      refusals: [],
      suspects: [],
      probes: [],
      cleanedUp: false,
    },
    realUsers: { baseline: null, during: null },
    recording: { path: UNKNOWN, source: UNKNOWN, records: 0, sessions: 0, fromIso: '', toIso: '', notes: [] },
    environment: {
      shadowline: UNKNOWN,
      node: UNKNOWN,
      os: UNKNOWN,
      cpu: UNKNOWN,
      cpus: 0,
      memoryBytes: 0,
      gitCommit: null,
      engine: UNKNOWN,
      workers: 0,
    },
    omissions: traces.notes,
  };
}

/** Counts by step. Latencies of a step are not known. */
function stepsOf(load: SeriesPoint[]): Step[] {
  const byIndex = new Map<number, SeriesPoint[]>();
  for (const point of load) {
    if (point.stepIndex === null) continue;
    byIndex.set(point.stepIndex, [...(byIndex.get(point.stepIndex) ?? []), point]);
  }
  return [...byIndex].map(([index, points]) => {
    const sum = (field: 'offered' | 'started' | 'completed' | 'errors' | 'dropped'): number =>
      points.reduce((total, point) => total + point[field], 0);
    const fromS = points[0]!.tS;
    const toS = points.at(-1)!.tS + 1;
    return {
      index,
      label: `step ${index + 1}`,
      kind: 'recorded' as const,
      fromS,
      toS,
      targetRatePerSec: null,
      offered: sum('offered'),
      started: sum('started'),
      completed: sum('completed'),
      errors: sum('errors'),
      dropped: sum('dropped'),
      achievedRatePerSec: sum('completed') / (toS - fromS),
      latencies: NO_LATENCIES,
      steady: null,
      generatorLimited: false,
      withinSlo: null,
      note: 'rebuilt from counts by second',
    };
  });
}

async function readTraces(runDir: string): Promise<Traces> {
  const scenario = await readFile(join(runDir, 'scenario.yaml'), 'utf8').catch(() => undefined);
  const clock = new Clock();
  const ledger = await readLedger(runDir, clock);
  const log = await readLog(runDir, clock);
  const names = await readdir(runDir).catch(() => [] as string[]);
  if (scenario === undefined && ledger.missing && log.missing && !names.includes('series.ndjson')) {
    throw new ReportError(
      'not-a-run',
      `${runDir}: not a run folder: none of result.json, scenario.yaml, series.ndjson, ledger.ndjson and log.ndjson is in it.`,
      'Give the folder of one run, not the folder that holds all runs.',
    );
  }
  if (clock.first === null) await clock.fromFiles(runDir, names);
  const notes = [...ledger.notes, ...log.notes];
  if (scenario === undefined) notes.push('scenario.yaml is missing: the name and the target are not known.');
  return {
    name: topLevelScalar(scenario, 'name') ?? basename(runDir),
    target: topLevelScalar(scenario, 'target') ?? UNKNOWN,
    firstAt: clock.first,
    lastAt: clock.last,
    stores: ledger.stores,
    services: ledger.services,
    lastMessages: log.lastMessages,
    notes,
  };
}

/** First and last time seen. ISO 8601 in UTC sorts as text. */
class Clock {
  first: string | null = null;
  last: string | null = null;

  see(at: unknown): void {
    if (typeof at !== 'string' || !/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(at)) return;
    if (this.first === null || at < this.first) this.first = at;
    if (this.last === null || at > this.last) this.last = at;
  }

  async fromFiles(runDir: string, names: string[]): Promise<void> {
    for (const name of names.filter((entry) => /\.(yaml|ndjson)$/.test(entry))) {
      const info = await stat(join(runDir, name)).catch(() => undefined);
      if (info !== undefined) this.see(new Date(info.mtimeMs).toISOString());
    }
  }
}

async function readLedger(
  runDir: string,
  clock: Clock,
): Promise<Pick<Traces, 'stores' | 'services' | 'notes'> & { missing: boolean }> {
  const stores = new Map<string, { store: StoreAudit['store']; shadow: string; rows: number | null }>();
  const instances = new Map<string, Set<string>>();
  const summary = await readNdjson(join(runDir, 'ledger.ndjson'), (value) => {
    const line = value as Record<string, unknown> | null;
    const store = line?.store;
    if (store !== 'mysql' && store !== 'kafka' && store !== 'redis') return false;
    if (typeof line?.target !== 'string' || typeof line.rows !== 'number') return false;
    clock.see(line.at);
    const key = `${store} ${line.target}`;
    const entry = stores.get(key) ?? { store, shadow: line.target, rows: 0 };
    entry.rows = rowsAfter(entry.rows, String(line.operation), line.rows);
    stores.set(key, entry);
    if (typeof line.service === 'string') {
      instances.set(line.service, (instances.get(line.service) ?? new Set()).add(String(line.instance)));
    }
    return true;
  });
  return {
    missing: summary.missing,
    notes: damage('ledger.ndjson', summary.missing, summary.cut, summary.bad, 'what the agents wrote is not known'),
    services: [...instances].map(([name, seen]) => ({ name, instances: seen.size })),
    stores: [...stores.values()].map(({ store, shadow, rows }) => ({
      store,
      real: NOT_LISTED,
      shadow,
      writesIssued: rows,
      rowsFound: null,
      outcome: 'not-counted',
      note: 'not reconciled: the run did not end',
    })),
  };
}

const NOT_LISTED = '(not recorded)';

/** The agents' figures are signed: deletes are negative. Null for good once an operation does not tell its rows. */
function rowsAfter(before: number | null, operation: string, rows: number): number | null {
  return before === null || operation === 'upsert' || operation === 'not-counted' ? null : before + rows;
}

async function readLog(
  runDir: string,
  clock: Clock,
): Promise<{ missing: boolean; notes: string[]; lastMessages: string[] }> {
  const last: string[] = [];
  const summary = await readNdjson(join(runDir, 'log.ndjson'), (value) => {
    const line = value as Record<string, unknown> | null;
    if (typeof line !== 'object' || line === null) return false;
    clock.see(line.at);
    const message = line.message ?? line.msg;
    if (typeof message === 'string') last.push(message);
    if (last.length > 3) last.shift();
    return true;
  });
  return {
    missing: summary.missing,
    lastMessages: last,
    notes: damage('log.ndjson', summary.missing, summary.cut, summary.bad, 'the last steps of the run are not known'),
  };
}

function damage(file: string, missing: boolean, cut: boolean, bad: number, consequence: string): string[] {
  if (missing) return [`${file} is missing: ${consequence}.`];
  return [
    ...(cut ? [`The last line of ${file} is cut and left out.`] : []),
    ...(bad > 0 ? [`${file} has ${plural(bad, 'damaged line')}, left out.`] : []),
  ];
}

/** `name: payday` at the left edge. Reports do without a YAML parser: these two scalars are all they need. */
function topLevelScalar(yaml: string | undefined, key: string): string | undefined {
  const match = new RegExp(`^${key}:[ \\t]*(.+?)[ \\t]*(?:#.*)?$`, 'm').exec(yaml ?? '');
  const text = match?.[1]?.replace(/^(["'])(.*)\1$/, '$2');
  return text === '' ? undefined : text;
}
