/**
 * Every way in which the agent refuses shadow traffic. The code is part of the contract: it stands in problem+json bodies, in
 * telemetry and in reports. A hint says what to do about it.
 */
export const refusals = {
  FLAG_MALFORMED: 'The flag is not a token of this format. Is something else using the header?',
  FLAG_FORGED: 'The signature fits no configured public key. Check the keys of this service and of the orchestrator.',
  FLAG_EXPIRED: 'The flag has expired: the orchestrator stopped renewing it, or clocks differ.',
  FLAG_CONFLICT: 'Baggage and header carry different flags, or one of them is doubled.',
  FLAG_NOT_ALLOWED: 'This caller may not send flagged requests (edge: strict).',
  AGENT_KILLED: 'The kill switch is on. Re-arm the agent when the cause is known.',
  AGENT_NOT_READY: 'The agent has no valid configuration, so it cannot isolate shadow traffic.',
  STORE_UNDECLARED: 'The store is not in the configuration, so there is no shadow store for it.',
  SQL_REFUSED: 'The statement cannot be redirected safely; the detail has the reason.',
  MODE_MISMATCH: 'A connection, transaction or statement of one mode was used in the other.',
  COMMAND_REFUSED: 'The command has no shadow rule.',
  TOPIC_REFUSED: 'The topic cannot be redirected.',
  EGRESS_DENIED: 'The host is not in the egress list, so it may not see shadow traffic.',
  CONTEXT_ENDED: 'A shadow operation was issued after its request had ended.',
  HOP_UNACKNOWLEDGED: 'The called service answered without an acknowledgement: no agent runs there.',
} as const;

export type RefusalCode = keyof typeof refusals;

/** Thrown into, or passed to the callback of, the operation that was refused. */
export class ShadowRefusedError extends Error {
  readonly code: RefusalCode;
  readonly detail: string;

  constructor(code: RefusalCode, detail: string) {
    super(`${code}: ${detail} (${refusals[code]})`);
    this.name = 'ShadowRefusedError';
    this.code = code;
    this.detail = detail;
  }
}
