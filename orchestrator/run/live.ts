import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineRun, SecondSample } from '../engines/engine.js';
import { GuardrailWatch, type Trip } from '../guardrails/guardrail.js';
import type { Audit } from '../leakcheck/audit.js';
import type { SeriesPoint } from '../result/schema.js';
import type { Scenario } from '../scenario/scenario.js';
import { Tally, type Telemetry } from '../telemetry/index.js';
import type { RunEvent } from './events.js';
import type { RunFolder } from './folder.js';

/** An agent of the entry that was silent for longer cannot say how real users fare. */
const SIGHT_MS = 2_500;
/** A service that was silent for longer while the load runs is lost. */
export const LOST_AFTER_MS = 3_000;
const QUICK_CHECK_MS = 3_000;

export interface LiveOptions {
  scenario: Scenario;
  telemetry: Telemetry;
  folder: RunFolder;
  audit: Audit;
  entry: string | undefined;
  /** Of the load, as planned. */
  plannedS: number;
  onProgress(event: RunEvent): void;
  say(text: string): void;
}

/** The seconds of a run: real users before, during and after the load; guardrails; the quick leak check; services that fall silent. */
export class Live {
  readonly #o: LiveOptions;
  readonly series: SeriesPoint[] = [];
  readonly during = new Tally();
  /** Undefined until it was measured. */
  baseline: Tally | undefined;
  watch: GuardrailWatch<Tally> | undefined;
  trip: Trip | undefined;
  leaksSeen = 0;
  #engine: EngineRun | undefined;
  #quickTimer: NodeJS.Timeout | undefined;
  #quick: Promise<void> | undefined;

  constructor(options: LiveOptions) {
    this.#o = options;
  }

  /** Measures real users while agents are armed and nothing is sent but what keeps them so. */
  async measureBaseline(signal: AbortSignal | undefined, keepArmed: () => Promise<void>): Promise<void> {
    const seconds = Math.max(1, Math.round(this.#o.scenario.baselineMs / 1000));
    const everyS = Math.max(1, Math.floor(this.#o.scenario.shadow.flag.ttlMs / 3000));
    this.#o.telemetry.traffic.takeReal(undefined);
    const baseline = new Tally();
    const startMs = Date.now();
    for (let s = 0; s < seconds && !signal?.aborted; s++) {
      if (s % everyS === 0) await keepArmed();
      await sleep(Math.max(0, startMs + (s + 1) * 1000 - Date.now()));
      const real = this.#o.telemetry.traffic.takeReal(this.#o.entry);
      baseline.merge(real);
      this.#put({ ...EMPTY, tS: s - seconds, phase: 'baseline', ...realFields(real) }, this.#o.plannedS + seconds - s);
    }
    this.baseline = baseline;
  }

  /** Call it before the engine starts; `attach` gives it the engine that it may stop. */
  begin(): void {
    const { scenario, telemetry } = this.#o;
    telemetry.traffic.resetEdges();
    telemetry.fleet.resetPeaks();
    this.watch = new GuardrailWatch<Tally>(scenario.guardrails, { baseline: this.baseline, combine });
  }

  attach(engine: EngineRun): void {
    this.#engine = engine;
    this.#quickTimer = setInterval(() => {
      this.#quick ??= this.#checkLeaks().finally(() => {
        this.#quick = undefined;
      });
    }, QUICK_CHECK_MS);
  }

  /** One second of the load, from the engine. */
  onSecond(sample: SecondSample): void {
    const { scenario, telemetry, entry, plannedS, say } = this.#o;
    const nowMs = Date.now();
    const real = telemetry.traffic.takeReal(entry);
    this.during.merge(real);
    for (const lost of telemetry.fleet.watch(Object.keys(scenario.services), nowMs, LOST_AFTER_MS)) {
      say(`${lost.service} (${lost.instance}) has not reported for ${Math.round((nowMs - lost.lastSeenMs) / 1000)} s`);
    }
    const { response, lateness } = sample;
    const at = (histogram: typeof response, percentile: number) =>
      histogram.totalCount === 0 ? null : histogram.getValueAtPercentile(percentile);
    const trip = this.watch?.feed({
      tS: sample.tS,
      stepIndex: sample.stepIndex,
      real: this.#seesEntry(nowMs) ? real : undefined,
      latenessUs: (percentile) => at(lateness, percentile),
    });
    if (trip !== undefined) {
      this.trip = trip;
      say(`guardrail: ${trip.reason}: stopping the load`);
      this.#engine?.stop(`guardrail: ${trip.source}`, scenario.load.drainMs);
    }
    this.#put(
      {
        version: 1,
        tS: sample.tS,
        phase: 'load',
        stepIndex: sample.stepIndex,
        offered: sample.offered,
        started: sample.started,
        completed: sample.completed,
        errors: sample.errors,
        dropped: sample.dropped,
        inFlight: sample.inFlight,
        p50Us: at(response, 50),
        p95Us: at(response, 95),
        p99Us: at(response, 99),
        latenessP99Us: at(lateness, 99),
        ...realFields(real),
      },
      plannedS - sample.tS - 1,
    );
  }

  /** Call it when the engine is done. */
  async end(): Promise<void> {
    clearInterval(this.#quickTimer);
    this.#engine = undefined;
    await this.#quick;
  }

  /** The seconds after the load, until `stop` is called. */
  drain(): () => void {
    let tS = (this.series.at(-1)?.tS ?? -1) + 1;
    const timer = setInterval(() => {
      const real = this.#o.telemetry.traffic.takeReal(this.#o.entry);
      this.#put({ ...EMPTY, tS: tS++, phase: 'drain', ...realFields(real) }, 0);
    }, 1000);
    return () => clearInterval(timer);
  }

  #seesEntry(nowMs: number): boolean {
    const { entry, telemetry } = this.#o;
    return entry !== undefined && telemetry.fleet.of(entry).some((one) => nowMs - one.lastSeenMs < SIGHT_MS);
  }

  async #checkLeaks(): Promise<void> {
    const leaks = await this.#o.audit.quick();
    this.leaksSeen = leaks.length;
    const [first] = leaks;
    if (first === undefined) return;
    this.#o.say(
      `leak: ${first.count} rows (${first.kind}) in the real ${first.store} ${first.target}: stopping the load`,
    );
    this.#engine?.stop(`leak in ${first.target}`, this.#o.scenario.load.drainMs);
  }

  #put(point: SeriesPoint, secondsLeft: number): void {
    this.series.push(point);
    this.#o.folder.append('series', point);
    const { stages } = this.#o.scenario.load;
    const index = point.stepIndex;
    this.#o.onProgress({
      kind: 'second',
      point,
      ...(index === null
        ? {}
        : { step: { index, of: Math.max(1, stages.length), label: labelOf(this.#o.scenario, index) } }),
      secondsLeft: Math.max(0, secondsLeft),
      leaks: this.leaksSeen,
    });
  }
}

const EMPTY: SeriesPoint = {
  version: 1,
  tS: 0,
  phase: 'baseline',
  stepIndex: null,
  offered: 0,
  started: 0,
  completed: 0,
  errors: 0,
  dropped: 0,
  inFlight: 0,
  p50Us: null,
  p95Us: null,
  p99Us: null,
  latenessP99Us: null,
  realCount: null,
  realErrors: null,
  realP50Us: null,
  realP99Us: null,
};

function realFields(real: Tally): Pick<SeriesPoint, 'realCount' | 'realErrors' | 'realP50Us' | 'realP99Us'> {
  return {
    realCount: real.count,
    realErrors: real.errors,
    realP50Us: real.percentileUs(50),
    realP99Us: real.percentileUs(99),
  };
}

function combine(parts: readonly Tally[]): Tally {
  const sum = new Tally();
  for (const part of parts) sum.merge(part);
  return sum;
}

function labelOf(scenario: Scenario, index: number): string {
  const stage = scenario.load.stages[index];
  if (stage === undefined) return 'recorded schedule';
  if (stage.kind === 'ramp') return `ramp to ${stage.toPerSec}/s`;
  const before = scenario.load.stages.slice(0, index).findLast((one) => one.kind === 'ramp');
  return before?.kind === 'ramp' ? `hold ${before.toPerSec}/s` : 'hold';
}
