import type { Acknowledgement } from '../result/schema.js';
import type { Batch } from './otlp.js';

export type Store = 'mysql' | 'kafka' | 'redis';

/** Writes to one shadow target that the agents say they committed. */
export interface Issued {
  store: Store;
  target: string;
  rows: number;
  /** Operations whose rows the driver does not tell (`upsert` of several rows): the target cannot be reconciled. */
  uncounted: number;
}

export interface CodeCount {
  code: string;
  service: string;
  count: number;
  example: string | undefined;
}

/** One line of ledger.ndjson. */
export interface LedgerLine {
  version: 1;
  at: string;
  service: string;
  instance: string;
  run: string;
  store: string;
  target: string;
  operation: string;
  rows: number;
}

const UNCOUNTED = new Set(['upsert', 'not-counted']);

/** What agents claim: writes, refusals, suspects, acknowledgements of probes. */
export class Claims {
  readonly #issued = new Map<string, Issued>();
  readonly #refused = new Map<string, CodeCount>();
  readonly #suspects = new Map<string, CodeCount>();
  readonly #acknowledged = new Map<string, Acknowledgement[]>();
  readonly #runId: string;
  readonly #onLedger: (line: LedgerLine) => void;

  constructor(runId: string, onLedger: (line: LedgerLine) => void) {
    this.#runId = runId;
    this.#onLedger = onLedger;
  }

  ingest(batch: Batch, receivedAtMs: number): void {
    const { origin } = batch;
    for (const { name, attributes, value } of batch.points) {
      if (value === undefined) continue;
      const code = String(attributes.code ?? '');
      if (name === 'shadowline.writes') this.#wrote(batch, attributes, value, receivedAtMs);
      if (name === 'shadowline.refused') count(this.#refused, code, origin.service, value);
      if (name === 'shadowline.suspects') count(this.#suspects, code, origin.service, value);
    }
    for (const { name, attributes, body } of batch.events) {
      if (name === 'shadowline.refused') example(this.#refused, attributes, origin.service, body);
      if (name === 'shadowline.suspect') example(this.#suspects, attributes, origin.service, body);
      if (name === 'shadowline.acknowledge' && attributes['shadowline.run'] === this.#runId) {
        const probe = String(attributes['shadowline.probe'] ?? '');
        const list = this.#acknowledged.get(probe) ?? [];
        list.push({
          service: origin.service,
          instance: origin.instance,
          agentVersion: origin.agentVersion,
          configVersion: origin.configVersion,
          via: String(attributes.via ?? ''),
          touched: String(attributes.touched ?? '')
            .split(',')
            .filter((one) => one !== ''),
        });
        this.#acknowledged.set(probe, list);
      }
    }
  }

  #wrote(batch: Batch, attributes: Batch['points'][number]['attributes'], rows: number, receivedAtMs: number): void {
    const run = String(attributes['shadowline.run'] ?? '');
    const store = String(attributes['shadowline.store'] ?? '') as Store;
    const target = String(attributes['shadowline.target'] ?? '');
    const operation = String(attributes['shadowline.operation'] ?? '');
    this.#onLedger({
      version: 1,
      at: new Date(receivedAtMs).toISOString(),
      service: batch.origin.service,
      instance: batch.origin.instance,
      run,
      store,
      target,
      operation,
      rows,
    });
    // A straggler of an earlier run is in the file, and not in this run's sums.
    if (run !== this.#runId) return;
    const key = `${store}\0${target}`;
    const issued = this.#issued.get(key) ?? { store, target, rows: 0, uncounted: 0 };
    if (UNCOUNTED.has(operation)) issued.uncounted += Math.max(1, Math.abs(rows));
    else issued.rows += rows;
    this.#issued.set(key, issued);
  }

  issued(): Issued[] {
    return [...this.#issued.values()];
  }

  refused(): CodeCount[] {
    return [...this.#refused.values()].filter((one) => one.count > 0);
  }

  suspects(): CodeCount[] {
    return [...this.#suspects.values()].filter((one) => one.count > 0);
  }

  acknowledgements(probe: string): Acknowledgement[] {
    return this.#acknowledged.get(probe) ?? [];
  }
}

function entry(into: Map<string, CodeCount>, code: string, service: string): CodeCount {
  const key = `${code}\0${service}`;
  const known = into.get(key) ?? { code, service, count: 0, example: undefined };
  into.set(key, known);
  return known;
}

function count(into: Map<string, CodeCount>, code: string, service: string, n: number): void {
  entry(into, code, service).count += n;
}

function example(
  into: Map<string, CodeCount>,
  attributes: Record<string, unknown>,
  service: string,
  body: string,
): void {
  const known = entry(into, String(attributes.code ?? ''), service);
  known.example ??= String(attributes.detail ?? body).slice(0, 300);
}
