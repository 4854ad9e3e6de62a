import { setTimeout as sleep } from 'node:timers/promises';
import { coverageSentence, gapOf } from '@shadowline/shadow-db/server';
import type { Isolation, Leak, StoreAudit, StoreCoverage } from '../result/schema.js';
import type { Scenario } from '../scenario/scenario.js';
import { type Offsets, realSuspect, redisPrefixOf, type Stores } from '../stores/index.js';
import type { Issued, Telemetry } from '../telemetry/index.js';
import { type Reckoning, reconcile } from './reconcile.js';

export interface AuditOptions {
  scenario: Scenario;
  stores: Stores;
  telemetry: Telemetry;
  runId: string;
  canary: string;
  note(text: string): void;
}

export interface AuditReport {
  outcome: 'clean' | 'leak' | 'incomplete';
  sentence: string;
  stores: StoreAudit[];
  leaks: Leak[];
  /** What was searched in the databases, and what was not. */
  coverage: StoreCoverage[];
  canaryFoundInShadow: number | null;
}

const MAX_MESSAGES = 200_000;
const MAX_KEYS = 200_000;
const QUIET_MS = 2_500;

/**
 * Proves that nothing leaked. `begin` takes the counts before the first flagged request, `quick` looks during the load by index only, `settle` waits
 * until what is under way has arrived, `finish` reconciles and searches everything. A store that cannot be asked makes the audit
 * incomplete, never clean.
 */
export class Audit {
  readonly #o: AuditOptions;
  readonly #offsetsBefore = new Map<string, Offsets>();

  constructor(options: AuditOptions) {
    this.#o = options;
  }

  /** @throws Error of the store that cannot be counted: nothing has been sent yet, so nothing may be. */
  async begin(): Promise<void> {
    this.#o.telemetry.fleet.forgetLost();
    for (const store of this.#o.stores.mysql) await store.begin();
    const { kafka } = this.#o.stores;
    if (kafka !== undefined) {
      for (const topic of this.#topics().flatMap((one) => [one.real, one.shadow])) {
        this.#offsetsBefore.set(topic, await kafka.ends(topic));
      }
    }
  }

  /** What a look by index finds; a store that does not answer now is left to `finish`. */
  async quick(): Promise<Leak[]> {
    const leaks: Leak[] = [];
    for (const store of this.#o.stores.mysql) {
      try {
        leaks.push(...(await store.look(this.#o.canary)).map((one) => ({ store: 'mysql' as const, ...one })));
      } catch (error) {
        this.#o.note(`leak check: MySQL store ${store.name} does not answer: ${(error as Error).message}`);
      }
    }
    return leaks;
  }

  /**
   * Waits until the shadow consumers have no lag, and agents report no further writes: what they count is in their telemetry a second later.
   * Gives up after `timeoutMs`, which `finish` then sees in the counts.
   */
  async settle(timeoutMs: number): Promise<void> {
    const untilMs = Date.now() + timeoutMs;
    const { claims, fleet } = this.#o.telemetry;
    let last = '';
    let quietSinceMs = Date.now();
    while (Date.now() < untilMs) {
      const now = JSON.stringify([claims.issued(), await this.#lag()]);
      if (now !== last) {
        last = now;
        quietSinceMs = Date.now();
      }
      const lag = JSON.parse(now)[1] as number | null;
      const heardAll = fleet
        .all()
        .every((one) => one.lostAtMs !== undefined || one.state === 'idle' || one.lastSeenMs > quietSinceMs);
      if ((lag ?? 0) === 0 && heardAll && Date.now() - quietSinceMs >= QUIET_MS) return;
      await sleep(250);
    }
    this.#o.note(`leak check: writes did not settle within ${Math.round(timeoutMs / 1000)} s`);
  }

  async finish(lost: readonly string[]): Promise<AuditReport> {
    const gaps: string[] = [];
    const leaks: Leak[] = [];
    const reckonings: Reckoning[] = [];
    const coverage: StoreCoverage[] = [];
    const issued = new Map(this.#o.telemetry.claims.issued().map((one) => [`${one.store} ${one.target}`, one]));
    const asked = async <T>(what: string, ask: () => Promise<T>): Promise<T | undefined> => {
      try {
        return await ask();
      } catch (error) {
        gaps.push(`${what} could not be searched: ${(error as Error).message}`);
        return undefined;
      }
    };
    let canaryFound: number | null = null;
    for (const store of this.#o.stores.mysql) {
      const report = await asked(`MySQL store ${store.name}`, () => store.audit(this.#o.runId, this.#o.canary));
      for (const { real, shadow, derivedBy } of store.tables) {
        const claim = take(issued, 'mysql', shadow);
        const writes = report?.writes.find((one) => one.shadow === shadow);
        reckonings.push({
          store: 'mysql',
          real,
          shadow,
          issued: claim.rows,
          uncounted: claim.uncounted,
          found: writes?.found ?? null,
          others: writes?.others ?? [],
          derivedBy,
          incomparable: undefined,
        });
      }
      leaks.push(...(report?.suspects ?? []).map((one) => ({ store: 'mysql' as const, ...realSuspect(one) })));
      if (report !== undefined) {
        const { searched, notSearched, rows } = report.coverage;
        coverage.push({ store: store.name, rows, searched, notSearched });
        gaps.push(...notSearched.filter(({ tableClass }) => tableClass === 'shadow').map(gapOf));
      }
      const seen = report && (await asked(`MySQL store ${store.name}`, () => store.canaryInShadow(this.#o.canary)));
      if (seen !== undefined) canaryFound = (canaryFound ?? 0) + seen;
    }
    for (const topic of this.#topics()) reckonings.push(await this.#topicReckoning(topic, issued, leaks, gaps));
    const redis = await this.#redisReckoning(issued, leaks, gaps);
    if (redis !== undefined) reckonings.push(redis);
    for (const stray of issued.values()) {
      if (stray.rows !== 0)
        gaps.push(`${stray.rows} writes to ${stray.target} were issued, and the scenario does not name it`);
    }
    const reconciled = reconcile(reckonings, lost);
    leaks.push(...reconciled.leaks);
    gaps.push(...reconciled.gaps);
    const outcome = leaks.length > 0 ? 'leak' : gaps.length > 0 ? 'incomplete' : 'clean';
    return {
      outcome,
      sentence: sentenceOf(outcome, reconciled.stores, leaks, gaps, coverage),
      stores: reconciled.stores,
      leaks,
      coverage,
      canaryFoundInShadow: canaryFound,
    };
  }

  #topics(): { real: string; shadow: string }[] {
    const { kafka } = this.#o.scenario.shadow;
    return (kafka?.topics ?? []).map((real) => ({ real, shadow: `${real}${kafka!.suffix}` }));
  }

  /** Messages that shadow consumers have still to process; null when Kafka cannot be asked. */
  async #lag(): Promise<number | null> {
    const { kafka } = this.#o.stores;
    if (kafka === undefined) return 0;
    try {
      let lag = 0;
      const topics = this.#topics().map((topic) => topic.shadow);
      for (const group of await kafka.groupsOn(topics)) {
        if (group.members === 0) continue;
        for (const topic of group.topics) lag += await kafka.lag(group.groupId, topic);
      }
      return lag;
    } catch {
      return null;
    }
  }

  async #topicReckoning(
    topic: { real: string; shadow: string },
    issued: Map<string, Issued>,
    leaks: Leak[],
    gaps: string[],
  ): Promise<Reckoning> {
    const { kafka } = this.#o.stores;
    const claim = take(issued, 'kafka', topic.shadow);
    let found: number | null = null;
    try {
      if (kafka === undefined) throw new Error('Kafka was not reached');
      found = Number(sum(await kafka.ends(topic.shadow)) - sum(this.#offsetsBefore.get(topic.shadow) ?? new Map()));
      const { header } = this.#o.scenario.shadow.flag;
      const from = this.#offsetsBefore.get(topic.real) ?? new Map();
      const scan = await kafka.scan(topic.real, from, { canary: this.#o.canary, headers: [header] }, MAX_MESSAGES);
      for (const kind of ['canary', 'shadow-flag'] as const) {
        const own = scan.found.filter((one) => one.kind === kind);
        if (own.length === 0) continue;
        const samples = own.slice(0, 5).map((one) => one.sample);
        leaks.push({ store: 'kafka', target: topic.real, kind, count: own.length, samples });
      }
      if (!scan.complete) gaps.push(`topic ${topic.real}: only ${scan.scanned} messages were searched`);
    } catch (error) {
      gaps.push(`topic ${topic.real} could not be searched: ${(error as Error).message}`);
    }
    return {
      store: 'kafka',
      real: topic.real,
      shadow: topic.shadow,
      issued: claim.rows,
      uncounted: claim.uncounted,
      found,
      others: [],
      derivedBy: undefined,
      incomparable: undefined,
    };
  }

  async #redisReckoning(issued: Map<string, Issued>, leaks: Leak[], gaps: string[]): Promise<Reckoning | undefined> {
    const { redis: scenario } = this.#o.scenario.shadow;
    if (scenario === undefined) return undefined;
    const prefix = redisPrefixOf(scenario.prefix, this.#o.runId);
    let rows = 0;
    for (const [key, claim] of issued) {
      if (claim.store !== 'redis') continue;
      rows += claim.rows;
      issued.delete(key);
    }
    let found: number | null = null;
    try {
      const { redis } = this.#o.stores;
      if (redis === undefined) throw new Error('Redis was not reached');
      const scan = await redis.scan(prefix, this.#o.canary, MAX_KEYS);
      found = scan.inside;
      for (const key of scan.found)
        leaks.push({ store: 'redis', target: key, kind: 'canary', count: 1, samples: [key] });
      if (!scan.complete) gaps.push(`Redis: only ${scan.inside + scan.outside} keys were searched`);
    } catch (error) {
      gaps.push(`Redis could not be searched: ${(error as Error).message}`);
    }
    return {
      store: 'redis',
      real: '(all keys)',
      shadow: prefix,
      issued: rows,
      uncounted: 0,
      found,
      others: [],
      derivedBy: undefined,
      incomparable:
        'keys are overwritten and expire, so writes and keys are not the same number; all other keys were searched for the canary',
    };
  }
}

function take(
  issued: Map<string, Issued>,
  store: Issued['store'],
  target: string,
): { rows: number; uncounted: number } {
  const key = `${store} ${target}`;
  const claim = issued.get(key);
  issued.delete(key);
  return claim ?? { rows: 0, uncounted: 0 };
}

function sum(offsets: Offsets): bigint {
  let total = 0n;
  for (const offset of offsets.values()) total += offset;
  return total;
}

export function sentenceOf(
  outcome: Isolation['outcome'],
  stores: readonly StoreAudit[],
  leaks: readonly Leak[],
  gaps: readonly string[],
  coverage: readonly StoreCoverage[] = [],
): string {
  if (outcome === 'leak') {
    const places = [...new Set(leaks.map((leak) => `${leak.store} ${leak.target} (${leak.count}, ${leak.kind})`))];
    return `Shadow traffic leaked: ${places.slice(0, 5).join('; ')}${places.length > 5 ? '; …' : ''}.`;
  }
  if (outcome === 'incomplete') {
    return `No leak was found, but the audit is incomplete: ${gaps.slice(0, 3).join('; ')}${gaps.length > 3 ? `; and ${gaps.length - 3} more` : ''}.`;
  }
  const equal = stores.filter((store) => store.outcome === 'equal');
  const writes = equal.reduce((total, store) => total + (store.writesIssued ?? 0), 0);
  const searched = coverage.length === 0 ? '' : ` ${coverageSentence(coverage)}`;
  return `Nothing leaked: all ${writes} shadow writes to ${equal.length} tables and topics were found there, and no canary or shadow id where real data was searched.${searched}`;
}
