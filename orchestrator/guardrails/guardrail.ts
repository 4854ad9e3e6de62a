import type { GuardrailResult } from '../result/schema.js';
import { type Guardrail, samplesFor } from '../scenario/index.js';
import { type Block, emptyBlock, judge } from './block.js';

/** Real requests of some span: how many, how many failed, how long they took. The telemetry's `Tally` is one. */
export interface UserTally {
  readonly count: number;
  readonly errors: number;
  /** Nearest rank, in µs; null without samples. */
  percentileUs(percentile: number): number | null;
}

/** One second of the load. */
export interface GuardSecond<T extends UserTally> {
  /** Whole seconds since the load began; rises from call to call. */
  tS: number;
  stepIndex: number | null;
  /** What real users saw. An empty tally: agents were heard and nobody called. Undefined: no agent of the entry was heard. */
  real: T | undefined;
  /** Lateness of the generator in µs at a percentile; null when nothing was started. */
  latenessUs(percentile: number): number | null;
}

export interface Trip {
  /** The guardrail as written, or `real users must be seen`. */
  source: string;
  atS: number;
  /** A sentence for people. */
  reason: string;
}

export interface WatchOptions<T extends UserTally> {
  /** Real users before the load; undefined when none could be measured. */
  baseline: T | undefined;
  /** Adds up seconds that are too thin to be judged alone. Must not change its arguments. */
  combine(parts: readonly T[]): T;
  /** So many seconds without a word from the agents stop the run. Default 5. */
  blindAfterS?: number;
}

/** Samples below which a baseline says nothing. */
const MIN_BASELINE = 20;
export const BLIND = 'real users must be seen';

interface Rail<T extends UserTally> {
  guardrail: Guardrail;
  baseline: number | null;
  /** Null when there is no baseline to compute it from: the guardrail cannot be judged. */
  limit: number | null;
  block: Block<T>;
  /** First second of the breach that goes on; null when the last judged block was fine. */
  sinceS: number | null;
  breachedBlocks: number;
  judgedS: number;
  thinS: number;
  worst: number | null;
  trip: Trip | undefined;
}

/**
 * Watches real users while the load runs. Pure: time is what `feed` says it is.
 *
 * | state of a guardrail | a block is fine | a block is in breach                          | a block is too thin |
 * | -------------------- | --------------- | --------------------------------------------- | ------------------- |
 * | calm                 | calm            | breached since the block's first second       | calm                |
 * | breached             | calm            | tripped once `for` is over and 2 blocks agree | breached            |
 * | tripped              | tripped         | tripped                                       | tripped             |
 *
 * A block is one second where there are enough requests to judge it, else as many seconds as it takes (block.ts).
 * Seconds without a word from the agents are counted apart: past `blindAfterS` the run is stopped, since nobody can say how real users fare.
 */
export class GuardrailWatch<T extends UserTally> {
  readonly #rails: Rail<T>[];
  readonly #options: WatchOptions<T>;
  readonly #limitedSteps = new Set<number>();
  readonly #notes: string[] = [];
  #lastSeenS: number;
  #trip: Trip | undefined;

  /** @param fromS the second before the first one that is fed; default −1 */
  constructor(guardrails: readonly Guardrail[], options: WatchOptions<T>, fromS = -1) {
    this.#options = options;
    this.#lastSeenS = fromS;
    this.#rails = guardrails.map((guardrail) => {
      const baseline = this.#baselineOf(guardrail);
      const limit = limitOf(guardrail, baseline);
      return {
        guardrail,
        baseline,
        limit,
        block: emptyBlock(),
        sinceS: null,
        breachedBlocks: 0,
        judgedS: 0,
        thinS: 0,
        worst: null,
        trip: undefined,
      };
    });
  }

  /** The first trip, if any. */
  get tripped(): Trip | undefined {
    return this.#trip;
  }

  /** Steps in which the generator and not the system was the limit. */
  get limitedSteps(): ReadonlySet<number> {
    return this.#limitedSteps;
  }

  /** Takes one second. Returns a trip once, in the second in which the run must be stopped. */
  feed(second: GuardSecond<T>): Trip | undefined {
    const before = this.#trip;
    for (const rail of this.#rails) {
      if (rail.guardrail.subject === 'generator') this.#feedGenerator(rail, second);
      else if (second.real !== undefined) this.#feedReal(rail, second, second.real);
    }
    this.#checkSight(second);
    return before === undefined ? this.#trip : undefined;
  }

  /** For result.json. `stopTookMs` belongs to the guardrail that stopped the run. */
  results(stopTookMs: number | null): GuardrailResult[] {
    const results = this.#rails.map(
      ({ guardrail, baseline, limit, worst, trip }): GuardrailResult => ({
        source: guardrail.source,
        baseline,
        worst,
        limit,
        unit: guardrail.metric.kind === 'errors' ? 'share' : 'us',
        tripped: trip !== undefined,
        trippedAtS: trip?.atS ?? null,
        stopTookMs: trip !== undefined && trip === this.#trip ? stopTookMs : null,
      }),
    );
    if (this.#trip?.source === BLIND) {
      results.push({
        source: BLIND,
        baseline: null,
        worst: null,
        limit: null,
        unit: 'count',
        tripped: true,
        trippedAtS: this.#trip.atS,
        stopTookMs,
      });
    }
    return results;
  }

  /** What could not be judged, and why: for the report, next to the verdict. */
  notes(): string[] {
    const thin = this.#rails
      .filter((rail) => rail.thinS > 0)
      .map(
        (rail) =>
          `"${rail.guardrail.source}": ${rail.thinS} s had too few real requests to be judged (${rail.judgedS} s were judged)`,
      );
    return [...this.#notes, ...thin];
  }

  #baselineOf(guardrail: Guardrail): number | null {
    if (guardrail.limit.kind === 'absolute') return null;
    const { baseline } = this.#options;
    if (baseline === undefined || baseline.count < MIN_BASELINE) {
      const why =
        baseline === undefined
          ? 'no baseline was measured'
          : `the baseline has ${baseline.count} real requests, fewer than ${MIN_BASELINE}`;
      this.#notes.push(`"${guardrail.source}" is not judged: ${why}`);
      return null;
    }
    if (guardrail.metric.kind === 'errors') return baseline.errors / baseline.count;
    const needed = samplesFor(guardrail.metric.percentile);
    if (baseline.count < needed) {
      this.#notes.push(
        `"${guardrail.source}": the baseline has ${baseline.count} real requests; p${guardrail.metric.percentile} is vague below ${needed}`,
      );
    }
    return baseline.percentileUs(guardrail.metric.percentile);
  }

  #feedReal(rail: Rail<T>, second: GuardSecond<T>, real: T): void {
    if (rail.limit === null) return;
    const { block } = rail;
    block.fromS ??= second.tS;
    block.parts.push(real);
    const judged = judge(
      rail.guardrail.metric,
      rail.limit,
      this.#options.combine(block.parts),
      second.tS - block.fromS + 1,
    );
    if (judged === undefined) return;
    const seconds = second.tS - block.fromS + 1;
    const { fromS } = block;
    rail.block = emptyBlock();
    if (judged.verdict === 'thin') {
      rail.thinS += seconds;
      return;
    }
    rail.judgedS += seconds;
    this.#judged(rail, judged.observed, judged.verdict === 'breach', fromS, second.tS);
  }

  #feedGenerator(rail: Rail<T>, second: GuardSecond<T>): void {
    if (rail.guardrail.metric.kind !== 'lateness' || rail.limit === null) return;
    const observed = second.latenessUs(rail.guardrail.metric.percentile);
    if (observed === null) return;
    this.#judged(rail, observed, observed >= rail.limit, second.tS, second.tS);
    if (rail.sinceS !== null && isOver(rail, second.tS) && second.stepIndex !== null)
      this.#limitedSteps.add(second.stepIndex);
  }

  #judged(rail: Rail<T>, observed: number, inBreach: boolean, fromS: number, toS: number): void {
    rail.worst = Math.max(rail.worst ?? observed, observed);
    if (!inBreach) {
      rail.sinceS = null;
      rail.breachedBlocks = 0;
      return;
    }
    rail.sinceS ??= fromS;
    rail.breachedBlocks++;
    if (rail.trip !== undefined || !isOver(rail, toS)) return;
    rail.trip = { source: rail.guardrail.source, atS: toS, reason: reasonOf(rail, observed, toS) };
    if (rail.guardrail.action === 'abort') this.#trip ??= rail.trip;
  }

  #checkSight(second: GuardSecond<T>): void {
    if (second.real !== undefined) this.#lastSeenS = second.tS;
    const blindS = second.tS - this.#lastSeenS;
    if (blindS <= (this.#options.blindAfterS ?? 5) || this.#trip !== undefined) return;
    // Who asks for no guardrail on real users may have none.
    if (!this.#rails.some((rail) => rail.guardrail.subject === 'real')) return;
    this.#trip = {
      source: BLIND,
      atS: second.tS,
      reason: `real users cannot be seen: no agent of the entry was heard for ${blindS} s`,
    };
  }
}

function limitOf(guardrail: Guardrail, baseline: number | null): number | null {
  const { limit } = guardrail;
  if (limit.kind === 'absolute') return limit.value;
  if (baseline === null) return null;
  return limit.kind === 'factor' ? baseline * limit.factor : baseline + limit.plus;
}

/** One outlier must not count for as long as its block took: a breach that must last is confirmed by a second block. */
function isOver(rail: Rail<UserTally>, toS: number): boolean {
  const lastedMs = (toS - rail.sinceS! + 1) * 1000;
  return lastedMs >= rail.guardrail.forMs && (rail.guardrail.forMs < 2000 || rail.breachedBlocks >= 2);
}

function reasonOf(rail: Rail<UserTally>, observed: number, toS: number): string {
  const { metric, subject } = rail.guardrail;
  const show = (value: number): string =>
    metric.kind === 'errors' ? `${(value * 100).toFixed(2)} %` : `${(value / 1000).toFixed(1)} ms`;
  const what =
    metric.kind === 'errors'
      ? 'errors of real users are'
      : `p${metric.percentile} of ${subject === 'real' ? "real users' latency" : "the generator's lateness"} is`;
  const baseline = rail.baseline === null ? '' : ` (baseline ${show(rail.baseline)})`;
  return `${what} ${show(observed)}, the limit is ${show(rail.limit!)}${baseline}, for ${toS - rail.sinceS! + 1} s`;
}
