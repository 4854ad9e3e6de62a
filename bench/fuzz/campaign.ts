import fc from 'fast-check';
import { type Case, CaseArbitrary, type ShrinkBudget } from './case.js';
import type { Arena, BatchResult, Dialect, Difference } from './dialect.js';

export interface CampaignOptions<World = unknown, Step = unknown> {
  statements: number;
  /** 32 bits. The same seed and options make the same statements. */
  seed: number;
  /** Statements from one set of start data; default 50. */
  batch?: number;
  /** Batches in one schema; default 10. */
  batchesPerWorld?: number;
  /** The campaign ends after so many cases; default 1. */
  maxFindings?: number;
  /** Longest time for making one case small, ms; default 20,000. */
  shrinkMs?: number;
  signal?: AbortSignal;
  onProgress?(tally: Tally<World, Step>): void;
  onFinding?(finding: Finding<World, Step>): void;
}

/** A case that was found, made small. `world` and `steps` can be replayed as they are. */
export interface Finding<World = unknown, Step = unknown> {
  dialect: string;
  difference: Difference;
  world: World;
  steps: readonly Step[];
  /** fast-check's seed for the schema in which it was found. */
  seed: number;
}

export interface Tally<World = unknown, Step = unknown> {
  /** Statements generated: ran + refused. */
  statements: number;
  ran: number;
  /** Ran with the same error on both sides. */
  failed: number;
  /** See BatchResult: these must stay rare. */
  excused: number;
  refused: Record<string, number>;
  worlds: number;
  findings: Finding<World, Step>[];
}

/**
 * Generates schemas and statements until there are enough, or enough cases were found, or the signal comes. Each schema is one run
 * of a fast-check property. Throws what the server or the driver throws.
 */
export async function campaign<World, Step>(
  dialect: Dialect<World, Step>,
  options: CampaignOptions<World, Step>,
): Promise<Tally<World, Step>> {
  const { batch = 50, batchesPerWorld = 10, maxFindings = 1 } = options;
  const tally: Tally<World, Step> = {
    statements: 0,
    ran: 0,
    failed: 0,
    excused: 0,
    refused: {},
    worlds: 0,
    findings: [],
  };
  const isOver = (): boolean =>
    tally.statements >= options.statements ||
    tally.findings.length >= maxFindings ||
    (options.signal?.aborted ?? false);
  while (!isOver()) {
    const seed = (options.seed + Math.imul(tally.worlds, 0x9e3779b1)) | 0;
    const size = Math.min(batch * batchesPerWorld, options.statements - tally.statements);
    const hunt = new Hunt(dialect, batch, {
      onOpen: () => {
        tally.worlds += 1;
      },
      onBatch(result) {
        add(tally, result);
        if (result.difference === undefined) options.onProgress?.(tally);
        return !isOver();
      },
    });
    const finding = await hunt.check(seed, size, options.shrinkMs ?? 20_000, options.signal);
    if (finding === undefined) continue;
    tally.findings.push(finding);
    options.onFinding?.(finding);
  }
  return tally;
}

function add(tally: Tally, result: BatchResult): void {
  tally.ran += result.ran;
  tally.failed += result.failed;
  tally.excused += result.excused;
  tally.statements += result.ran;
  for (const [code, count] of Object.entries(result.refused)) {
    tally.refused[code] = (tally.refused[code] ?? 0) + count;
    tally.statements += count;
  }
}

interface HuntEvents {
  onOpen(): void;
  /** False: no more batches. */
  onBatch(result: BatchResult): boolean;
}

/** One schema and what is tried in it. */
class Hunt<World, Step> {
  private readonly dialect: Dialect<World, Step>;
  private readonly batch: number;
  private readonly events: HuntEvents;
  private arena: Arena<Step> | undefined;
  /** The schema that the arena was made for. */
  private world: World | undefined;
  private fault: unknown;

  constructor(dialect: Dialect<World, Step>, batch: number, events: HuntEvents) {
    this.dialect = dialect;
    this.batch = batch;
    this.events = events;
  }

  /** One case of `size` statements, made small if there is a difference. */
  async check(
    seed: number,
    size: number,
    shrinkMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Finding<World, Step> | undefined> {
    const budget: ShrinkBudget = { tries: 3000, worldTries: 200, untilMs: Number.MAX_SAFE_INTEGER };
    const stop = (): void => {
      budget.untilMs = 0;
    };
    signal?.addEventListener('abort', stop, { once: true });
    const cases = new CaseArbitrary(this.dialect, size, budget);
    const property = fc.asyncProperty(cases, async (one) => {
      if (one.wanted !== undefined) return !(await this.fails(one));
      const agrees = await this.agrees(one);
      if (!signal?.aborted) budget.untilMs = Date.now() + shrinkMs;
      return agrees;
    });
    try {
      const { counterexample } = await fc.check(property, { seed, numRuns: 1 });
      if (this.fault !== undefined) throw this.fault;
      const found = counterexample?.[0];
      return found === undefined ? undefined : this.findingOf(found, seed);
    } finally {
      signal?.removeEventListener('abort', stop);
      // a server that is gone cannot be cleaned up: what made it go is worth more than that
      await this.close().catch((error: unknown) => {
        if (this.fault === undefined) throw error;
      });
    }
  }

  private findingOf({ world, steps, outcome }: Case<World, Step>, seed: number): Finding<World, Step> {
    if (outcome === undefined) throw new Error('the property failed without a difference');
    const { batchAt, difference } = outcome;
    const small = steps.slice(batchAt, batchAt + difference.at + 1);
    return { dialect: this.dialect.name, difference, world, steps: small, seed };
  }

  /** The case as generated, batch by batch. */
  private async agrees(one: Case<World, Step>): Promise<boolean> {
    try {
      const arena = await this.open(one.world);
      this.events.onOpen();
      for (let batchAt = 0; batchAt < one.steps.length; batchAt += this.batch) {
        const result = await arena.run(one.steps.slice(batchAt, batchAt + this.batch));
        const { difference } = result;
        if (difference !== undefined) one.outcome = { difference, batchAt };
        const goesOn = this.events.onBatch(result);
        if (difference !== undefined) return false;
        if (!goesOn) break;
      }
      return true;
    } catch (error) {
      this.fault = error;
      return false;
    }
  }

  /** A smaller case: the same kind of difference. */
  private async fails(one: Case<World, Step>): Promise<boolean> {
    try {
      // one that changed a real table leaves it changed: every further look needs a fresh schema
      if (one.wanted === 'leak') await this.close();
      const arena = await this.open(one.world);
      const { difference } = await arena.run(one.steps);
      if (difference === undefined || difference.kind !== one.wanted) return false;
      one.outcome = { difference, batchAt: 0 };
      return true;
    } catch {
      await this.close().catch(() => undefined);
      return false; // a schema that the server does not take is no case
    }
  }

  private async open(world: World): Promise<Arena<Step>> {
    if (this.arena !== undefined && this.world === world) return this.arena;
    await this.close();
    this.arena = await this.dialect.open(world);
    this.world = world;
    return this.arena;
  }

  private async close(): Promise<void> {
    const { arena } = this;
    this.arena = undefined;
    await arena?.close();
  }
}

/** Runs a saved case; undefined when the two sides agree. */
export async function replay<World, Step>(
  dialect: Dialect<World, Step>,
  finding: Pick<Finding<World, Step>, 'world' | 'steps'>,
): Promise<Difference | undefined> {
  const arena = await dialect.open(finding.world);
  try {
    return (await arena.run(finding.steps)).difference;
  } finally {
    await arena.close();
  }
}
