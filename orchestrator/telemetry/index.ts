import { Claims, type LedgerLine } from './claims.js';
import { Fleet } from './fleet.js';
import type { Batch, LogEvent } from './otlp.js';
import { type Receiver, startReceiver } from './receiver.js';
import { Traffic } from './traffic.js';

export { Claims, type Issued, type LedgerLine } from './claims.js';
export { Fleet, type Instance } from './fleet.js';
export type { LogEvent } from './otlp.js';
export { Tally, Traffic } from './traffic.js';

/** What the orchestrator hears from the agents during one run. */
export interface Telemetry {
  readonly fleet: Fleet;
  readonly traffic: Traffic;
  readonly claims: Claims;
  close(): Promise<void>;
}

export interface TelemetryOptions {
  /** `host:port`. */
  listen: string;
  runId: string;
  onLedger(line: LedgerLine): void;
  /** Refusals, suspects and changes of state, as they come. */
  onEvent(service: string, event: LogEvent): void;
  onRejected(text: string): void;
}

/** @throws Error when the address cannot be listened on. */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const fleet = new Fleet();
  const traffic = new Traffic();
  const claims = new Claims(options.runId, options.onLedger);
  const onBatch = (batch: Batch, receivedAtMs: number) => {
    fleet.ingest(batch, receivedAtMs);
    traffic.ingest(batch);
    claims.ingest(batch, receivedAtMs);
    for (const event of batch.events) options.onEvent(batch.origin.service, event);
  };
  const receiver: Receiver = await startReceiver({ listen: options.listen, onBatch, onRejected: options.onRejected });
  return { fleet, traffic, claims, close: () => receiver.close() };
}
