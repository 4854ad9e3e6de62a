import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditLimits, Suspect } from './audit.js';
import type { AuditDialect, AuditReads, Counted, Position, Question, Range, RealTable } from './dialect.js';

export interface Walked {
  /** Rows read. */
  rows: number;
  suspects: Suspect[];
  /** Set when the end was not reached. */
  stopped?: 'row-limit' | 'budget';
  /** Up to here, included; null when nothing was there. */
  reached: Position | null;
}

const defaults: Required<Omit<AuditLimits, 'signal'>> = {
  chunkRows: 1_000,
  maxRows: 1_000_000,
  wholeTableRows: 10_000,
  fullScan: false,
  rowsPerSec: 50_000,
  budgetMs: 60_000,
};

/** Asks questions of real tables within the limits: by an index, or in pieces of a key. */
export class Search<Key> {
  readonly limits: typeof defaults;
  readonly #reads: AuditReads<Key>;
  readonly #signal: AbortSignal | undefined;
  readonly #untilMs: number;

  /** @throws RangeError for a limit that is not positive */
  constructor(dialect: AuditDialect<Key>, { signal, ...limits }: AuditLimits) {
    // options of the audit may come along
    const given = Object.entries(limits).filter(([name, value]) => name in defaults && value !== undefined);
    this.limits = { ...defaults, ...Object.fromEntries(given) };
    for (const [name, value] of Object.entries(this.limits)) {
      if (typeof value === 'number' && !(value >= (name === 'wholeTableRows' ? 0 : 1)))
        throw new RangeError(`${name} is ${value}: it must be a positive number`);
    }
    this.#reads = dialect.reads(this.limits.budgetMs);
    this.#signal = signal;
    this.#untilMs = performance.now() + this.limits.budgetMs;
  }

  get #isOver(): boolean {
    return this.#signal?.aborted === true || performance.now() >= this.#untilMs;
  }

  /** Rows of the whole table that answer a question which has an index. @throws WholeTableRead */
  byIndex(table: RealTable<Key>, question: Question): Promise<number> {
    return this.#reads.byIndex(table, question);
  }

  /** The same with samples; undefined when there are none. @throws WholeTableRead */
  async suspectByIndex(table: RealTable<Key>, question: Question): Promise<Suspect | undefined> {
    const count = await this.#reads.byIndex(table, question);
    return count === 0 ? undefined : suspectOf(table, question, count, await this.#reads.samples(table, question));
  }

  hasMore(table: RealTable<Key>, key: Key, rows: number): Promise<boolean> {
    return this.#reads.hasMore(table, key, rows);
  }

  /**
   * Reads the rows after a position (all of them with null) in the order of a key, piece by piece, up to the highest that is there now.
   * @throws WholeTableRead
   */
  async walk(
    table: RealTable<Key>,
    key: Key,
    after: Position | null,
    questions: readonly Question[],
    { inclusive = false, ratePerSec }: { inclusive?: boolean; ratePerSec?: number } = {},
  ): Promise<Walked> {
    const walked: Walked = { rows: 0, suspects: [], reached: after };
    const found = new Map<Question, Suspect>();
    const end = await this.#reads.edge(table, key, 'DESC');
    const first = after ?? (await this.#reads.edge(table, key, 'ASC'));
    if (end === null || first === null) return walked;
    const rest: Range<Key> = { key, from: first, comparison: after === null || inclusive ? '>=' : '>', to: end };
    for (let checked = false; ; checked = true) {
      if (this.#isOver) walked.stopped = 'budget';
      else if (walked.rows >= this.limits.maxRows) walked.stopped = 'row-limit';
      if (walked.stopped !== undefined) break;
      const startedMs = performance.now();
      const stop = await this.#reads.pieceEnd(table, rest, this.limits.chunkRows);
      const piece = { ...rest, to: stop ?? end };
      const counted = await this.#reads.count(table, questions, piece, !checked);
      walked.rows += counted.rows;
      for (const [question, count] of answered(questions, counted)) {
        const one = found.get(question) ?? suspectOf(table, question, 0, []);
        one.count += count;
        if (one.samples.length < 5)
          one.samples = [...one.samples, ...(await this.#reads.samples(table, question, piece))].slice(0, 5);
        found.set(question, one);
      }
      walked.reached = piece.to;
      if (stop === null) break;
      rest.from = stop;
      rest.comparison = '>';
      if (ratePerSec !== undefined) await this.#pause(startedMs, ratePerSec);
    }
    walked.suspects = [...found.values()];
    return walked;
  }

  /** Reads all rows of a table that has no key to read it by. Only when it was asked for. */
  async scan(table: RealTable<Key>, questions: readonly Question[]): Promise<Walked> {
    const counted = await this.#reads.countAll(table, questions);
    const suspects = answered(questions, counted).map(([question, count]) => suspectOf(table, question, count, []));
    return { rows: counted.rows, suspects, reached: null };
  }

  async #pause(startedMs: number, ratePerSec: number): Promise<void> {
    const leftMs = (this.limits.chunkRows / ratePerSec) * 1000 - (performance.now() - startedMs);
    if (leftMs > 0) await sleep(leftMs, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

function answered(questions: readonly Question[], { found }: Counted): [Question, number][] {
  return questions
    .map((question, at): [Question, number] => [question, found[at] ?? 0])
    .filter(([, count]) => count > 0);
}

export function suspectOf(
  { name }: RealTable,
  { reason, columns }: Question,
  count: number,
  samples: Suspect['samples'],
): Suspect {
  return { reason, table: name, columns, count, samples };
}
