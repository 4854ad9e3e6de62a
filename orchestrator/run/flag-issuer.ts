import type { KeyObject } from 'node:crypto';
import { signFlag } from '@shadowline/agent/flag';

/** Longer-lived flags would outlive a dead orchestrator for too long. */
export const MAX_TTL_MS = 60_000;

export interface FlagIssuerOptions {
  runId: string;
  unit: string | undefined;
  ttlMs: number;
  privateKey: KeyObject;
  /** Names of the carriers, as agents know them. */
  header: string;
  member: string;
}

/**
 * The dead man's switch: tokens live for at most a minute and are renewed at a third of that; when this process dies or is cut off, agents
 * refuse whatever is still flagged by themselves.
 */
export class FlagIssuer {
  readonly #options: FlagIssuerOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FlagIssuerOptions) {
    this.#options = options;
  }

  /** A token that expires `lifeMs` from now (default: the scenario's ttl). */
  token(lifeMs = this.#options.ttlMs): string {
    const { runId, unit, privateKey } = this.#options;
    return signFlag({ runId, unit, expiresAtMs: Date.now() + lifeMs }, privateKey);
  }

  /** Both carriers; either suffices for an agent. */
  headers(token = this.token()): Record<string, string> {
    return { [this.#options.header]: token, baggage: `${this.#options.member}=${token}` };
  }

  /** Gives renewed headers at a third of the ttl until `stop`. */
  renew(give: (headers: Record<string, string>) => void): void {
    this.stop();
    this.#timer = setInterval(() => give(this.headers()), Math.max(250, this.#options.ttlMs / 3));
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
