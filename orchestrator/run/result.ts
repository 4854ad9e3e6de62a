import type { EngineResult } from '../engines/engine.js';
import type { AuditReport } from '../leakcheck/audit.js';
import type { PreflightReport } from '../preflight/preflight.js';
import type { Failure, Isolation, Latencies, Result } from '../result/schema.js';
import type { Scenario } from '../scenario/scenario.js';
import { dataOfResult, evaluateThreshold } from '../scenario/slo.js';
import type { Tally, Telemetry } from '../telemetry/index.js';
import { capacityOf } from './capacity.js';
import { latenciesOf, summaryOf } from './latency.js';
import type { Live } from './live.js';
import { DEFAULT_LATENESS_P99_US, stepsOf } from './steps.js';
import { edgesOf, servicesOf } from './topology.js';
import { verdictOf } from './verdict.js';

/** All that a run left behind, whatever way it took. */
export interface RunFacts {
  scenario: Scenario;
  /** Name of the run folder. */
  id: string;
  canary: string;
  startedAtMs: number;
  preflight: PreflightReport | undefined;
  /** Problems before the preflight could begin. */
  refusals: string[];
  telemetry: Telemetry | undefined;
  live: Live | undefined;
  engine: EngineResult | undefined;
  audit: AuditReport | undefined;
  /** Services that were lost in mid-run and did not come back. */
  lost: string[];
  interrupted: boolean;
  failure: string | undefined;
  cleanedUp: boolean;
  environment: Result['environment'];
}

const NO_LATENCY = { count: 0, meanUs: 0, p50Us: 0, p90Us: 0, p95Us: 0, p99Us: 0, p999Us: 0, maxUs: 0 };
const NO_LATENCIES: Latencies = {
  response: NO_LATENCY,
  service: NO_LATENCY,
  lateness: NO_LATENCY,
  sessionWait: NO_LATENCY,
};

/** Puts the result together. Pure but for the clock. */
export function resultOf(facts: RunFacts): Result {
  const { scenario, engine, live, preflight, telemetry } = facts;
  const loadStartedAtMs = engine?.loadStartedAtMs;
  const watchesGenerator = scenario.guardrails.some((guardrail) => guardrail.subject === 'generator');
  const steps = stepsOf(
    engine?.steps ?? [],
    live?.series ?? [],
    scenario.slo,
    {
      limitedSteps: live?.watch?.limitedSteps ?? new Set(),
      latenessP99Us: watchesGenerator ? undefined : DEFAULT_LATENESS_P99_US,
    },
    { stopped: engine !== undefined && engine.endedBecause !== 'schedule finished' },
  );
  const thresholds =
    engine === undefined ? [] : scenario.slo.map((one) => evaluateThreshold(one, dataOfResult(engine)));
  const guardrails = live?.watch?.results(engine?.stopTookMs ?? null) ?? [];
  const services =
    telemetry === undefined
      ? []
      : servicesOf(scenario, telemetry, (ms) => (ms - (loadStartedAtMs ?? facts.startedAtMs)) / 1000);
  const capacity = capacityOf(steps, services, scenario.capacity.forecastPeakPerSec);
  const isolation = isolationOf(facts);
  const verdict = verdictOf({
    isolation,
    interrupted: facts.interrupted,
    guardrails: guardrails.filter((one) => one.source === live?.trip?.source),
    refusals: [...facts.refusals, ...(preflight?.problems ?? [])],
    failure: facts.failure,
    thresholds,
    steps,
    lost: facts.lost,
    endedEarly:
      engine === undefined || engine.endedBecause === 'schedule finished' || live?.trip !== undefined
        ? undefined
        : engine.endedBecause,
    capacitySentence: capacity.sentence,
    omissions: scenario.omissions,
  });
  const durationS = engine?.durationS ?? 0;
  const manifest = preflight?.manifest;
  return {
    version: 1,
    run: {
      id: facts.id,
      name: scenario.name,
      target: scenario.target,
      startedAt: new Date(facts.startedAtMs).toISOString(),
      endedAt: new Date().toISOString(),
      loadStartedAt: loadStartedAtMs === undefined ? null : new Date(loadStartedAtMs).toISOString(),
      loadSeconds: durationS,
      endedBecause: engine?.endedBecause ?? 'no load was sent',
    },
    verdict,
    capacity,
    totals: engine === undefined ? NO_TOTALS : totalsOf(engine),
    latencies: engine === undefined ? NO_LATENCIES : latenciesOf(engine.latencies),
    steps,
    thresholds,
    guardrails,
    topology: { services, edges: telemetry === undefined ? [] : edgesOf(telemetry, preflight?.entry) },
    endpoints: (engine?.routes ?? [])
      .map((route) => ({
        route: route.route,
        count: route.count,
        errors: route.errors,
        ratePerSec: durationS === 0 ? 0 : route.count / durationS,
        statuses: route.statuses,
        response: summaryOf(route.response),
        service: summaryOf(route.service),
      }))
      .sort((a, b) => b.count - a.count),
    errors: failuresOf(engine, preflight?.entry ?? scenario.target),
    isolation,
    realUsers: { baseline: usersOf(live?.baseline), during: engine === undefined ? null : usersOf(live?.during) },
    recording: {
      path: scenario.recording,
      source: manifest?.source ?? 'unknown',
      records: manifest?.records ?? 0,
      sessions: manifest?.sessions ?? 0,
      fromIso: isoOf(manifest?.fromUs),
      toIso: isoOf(manifest?.toUs),
      notes: [...new Set([...(manifest?.notes ?? []), ...(engine?.notes ?? [])])],
    },
    environment: facts.environment,
    omissions: [...scenario.omissions, ...(live?.watch?.notes() ?? [])],
  };
}

const NO_TOTALS = { offered: 0, started: 0, completed: 0, errors: 0, dropped: 0, late: 0, sessions: 0 };

function totalsOf({ totals }: EngineResult): Result['totals'] {
  const { offered, started, completed, errors, dropped, late, sessions } = totals;
  return { offered, started, completed, errors, dropped, late, sessions };
}

function isolationOf({ preflight, audit, telemetry, engine, canary, cleanedUp }: RunFacts): Isolation {
  const entry = preflight?.entry;
  const refusals = (telemetry?.claims.refused() ?? []).flatMap(({ code, service, count }) => {
    // What the preflight provoked on purpose is not news.
    const left = service === entry ? count - (preflight?.provoked[code] ?? 0) : count;
    return left > 0 ? [{ code, service, count: left }] : [];
  });
  return {
    outcome: audit?.outcome ?? 'not-checked',
    sentence: audit?.sentence ?? 'Not checked: no flagged request was let through.',
    stores: audit?.stores ?? [],
    leaks: audit?.leaks ?? [],
    coverage: audit?.coverage ?? [],
    canary: {
      value: canary,
      placed: (engine?.totals.canariesPlaced ?? 0) + (preflight?.prober?.canariesPlaced ?? 0),
      foundInShadow: audit?.canaryFoundInShadow ?? null,
    },
    refusals,
    suspects: (telemetry?.claims.suspects() ?? []).map(({ code, service, count, example }) => ({
      code,
      service,
      count,
      ...(example === undefined ? {} : { example }),
    })),
    probes: preflight?.probes ?? [],
    cleanedUp,
  };
}

function failuresOf(engine: EngineResult | undefined, hop: string): Failure[] {
  return (engine?.failures ?? [])
    .map(({ code, route, count, firstSeenS, example }) => ({ code, hop, route, count, firstSeenS, example }))
    .sort((a, b) => b.count - a.count);
}

function usersOf(tally: Tally | undefined): Result['realUsers']['baseline'] {
  if (tally === undefined) return null;
  const at = (percentile: number) => Math.round(tally.percentileUs(percentile) ?? 0);
  return { count: tally.count, p50Us: at(50), p99Us: at(99), errorShare: tally.errorShare() };
}

function isoOf(us: number | undefined): string {
  return us === undefined ? '' : new Date(us / 1000).toISOString();
}
