import type { ShadowContext } from './context.js';
import type { Flag } from './flag.js';

/** After its request is over a context may still be used this long: a service may answer first and finish its work then. */
export const GRACE_MS = 5_000;

/**
 * A shadow context that counts itself: while one is open the agent stays armed, or a straggler would be taken for ordinary work.
 * `ended = true` ends it at once; `close()` leaves the grace period.
 */
export class ShadowScope implements ShadowContext {
  readonly mode = 'shadow';
  readonly flag: Flag;
  readonly token: string;
  readonly probe: string | undefined;
  readonly touched: Set<string> | undefined;
  #closedAtMs = 0;
  #ended = false;
  readonly #onClose: () => void;

  constructor(flag: Flag, token: string, probe: string | undefined, onClose: () => void) {
    this.flag = flag;
    this.token = token;
    this.probe = probe;
    this.touched = probe === undefined ? undefined : new Set();
    this.#onClose = onClose;
  }

  get ended(): boolean {
    return this.#ended || (this.#closedAtMs !== 0 && Date.now() - this.#closedAtMs > GRACE_MS);
  }

  set ended(value: boolean) {
    if (value) this.close();
    this.#ended = value;
  }

  /** The request or message is over. */
  close(): void {
    if (this.#closedAtMs !== 0) return;
    this.#closedAtMs = Date.now();
    this.#onClose();
  }
}
