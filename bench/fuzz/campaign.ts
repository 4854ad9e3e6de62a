import { Choices } from './choices.js';
import type { Arena, BatchResult, Dialect, Difference } from './dialect.js';
import { type ShrinkBudget, shrinkList, shrinkRecord } from './shrink.js';

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
  /** The seed of the schema in which it was found. */
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

/** Generates schemas and statements until there are enough, or enough cases were found, or the signal comes. */
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
    const hunt = new Hunt(dialect, seed);
    try {
      await hunt.open();
      tally.worlds += 1;
      for (let round = 0; round < batchesPerWorld && !isOver(); round += 1) {
        const records = hunt.records(Math.min(batch, options.statements - tally.statements));
        const result = await hunt.run(records);
        add(tally, result);
        if (result.difference !== undefined) {
          const budget = { tries: 3000, untilMs: Date.now() + (options.shrinkMs ?? 20_000) };
          const stop = (): void => {
            budget.untilMs = 0;
          };
          options.signal?.addEventListener('abort', stop, { once: true });
          const finding = await hunt.shrink(records, result.difference, budget);
          options.signal?.removeEventListener('abort', stop);
          tally.findings.push(finding);
          options.onFinding?.(finding);
          // the schema may be spoilt by what was found
          break;
        }
        options.onProgress?.(tally);
      }
    } catch (error) {
      // a server that is gone cannot be cleaned up: what made it go is worth more than that
      await hunt.close().catch(() => undefined);
      throw error;
    }
    await hunt.close();
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

/** One schema and what is tried in it. Steps are kept as records of decisions, so that they can be made smaller. */
class Hunt<World, Step> {
  private readonly dialect: Dialect<World, Step>;
  private readonly seed: number;
  private world: World;
  private worldRecord: readonly number[];
  private arena: Arena<Step> | undefined;
  private made = 0;

  constructor(dialect: Dialect<World, Step>, seed: number) {
    this.dialect = dialect;
    this.seed = seed;
    const choices = Choices.seeded(seed);
    this.world = dialect.makeWorld(choices);
    this.worldRecord = choices.taken;
  }

  async open(): Promise<void> {
    this.arena = await this.dialect.open(this.world);
  }

  async close(): Promise<void> {
    const { arena } = this;
    this.arena = undefined;
    await arena?.close();
  }

  records(count: number): (readonly number[])[] {
    return Array.from({ length: count }, () => {
      this.made += 1;
      const choices = Choices.seeded(Math.imul(this.seed ^ this.made, 0x85ebca6b) ^ this.made);
      this.dialect.makeStep(choices, this.world);
      return choices.taken;
    });
  }

  private steps(records: readonly (readonly number[])[]): Step[] {
    return records.map((record) => this.dialect.makeStep(Choices.replayed(record), this.world));
  }

  run(records: readonly (readonly number[])[]): Promise<BatchResult> {
    if (this.arena === undefined) throw new Error('the schema is not open');
    return this.arena.run(this.steps(records));
  }

  /** Fewer steps first, then smaller steps, then a smaller schema. */
  async shrink(
    records: readonly (readonly number[])[],
    found: Difference,
    budget: ShrinkBudget,
  ): Promise<Finding<World, Step>> {
    let difference = found;
    const fails = async (candidate: readonly (readonly number[])[]): Promise<boolean> => {
      const result = await this.run(candidate);
      if (result.difference?.kind !== found.kind) return false;
      difference = result.difference;
      return true;
    };
    // one that changed a real table leaves it changed: every further look needs a fresh schema
    const fresh = async (candidate: readonly (readonly number[])[]): Promise<boolean> => {
      if (found.kind === 'leak') await this.reopen();
      return fails(candidate);
    };
    let best = records.slice(0, found.at + 1);
    const last = best.slice(-1);
    best = (await fresh(last)) ? last : [...(await shrinkList(best, fresh, budget))];
    best = await this.shrinkSteps(best, fresh, budget);
    const worldBudget = { tries: Math.min(budget.tries, 60), untilMs: budget.untilMs };
    this.worldRecord = await shrinkRecord(this.worldRecord, (record) => this.failsIn(record, best, fails), worldBudget);
    this.world = this.dialect.makeWorld(Choices.replayed(this.worldRecord));
    await this.reopen();
    best = await this.shrinkSteps(best, fresh, budget);
    return { dialect: this.dialect.name, difference, world: this.world, steps: this.steps(best), seed: this.seed };
  }

  private async shrinkSteps(
    records: (readonly number[])[],
    fails: (candidate: readonly (readonly number[])[]) => Promise<boolean>,
    budget: ShrinkBudget,
  ): Promise<(readonly number[])[]> {
    let best = records;
    for (let index = best.length - 1; index >= 0; index -= 1) {
      const smaller = await shrinkRecord(best[index] ?? [], (record) => fails(best.with(index, record)), budget);
      best = best.with(index, smaller);
    }
    return best;
  }

  private async failsIn(
    record: readonly number[],
    best: readonly (readonly number[])[],
    fails: (candidate: readonly (readonly number[])[]) => Promise<boolean>,
  ): Promise<boolean> {
    this.world = this.dialect.makeWorld(Choices.replayed(record));
    try {
      await this.reopen();
      return await fails(best);
    } catch {
      return false; // a schema that the server does not take is no case
    }
  }

  private async reopen(): Promise<void> {
    await this.close();
    await this.open();
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
