import type { AgentConfig } from '../config.js';
import type { ShadowContext } from '../context.js';
import { AGENT_VERSION } from '../version.js';
import { readMembers, withMember, withoutMember } from './baggage.js';

/** Names under which the flag travels; lower case. */
export interface CarrierNames {
  readonly header: string;
  readonly member: string;
}

/** Says which hop of the chain answered: `<service>;<agent version>;<config version>`. */
export const ACK_HEADER = 'x-shadow-ack';
export const PROBE_HEADER = 'x-shadow-probe';
const BAGGAGE = 'baggage';

export interface CarriedFlag {
  token: string;
  /** Header and baggage differ, or one of them is doubled. */
  conflict: boolean;
  /** Every token that was found, where there is a conflict. */
  all: readonly string[];
}

export function carrierNames(config: AgentConfig): CarrierNames {
  return { header: config.flag.header.toLowerCase(), member: config.flag.member };
}

/**
 * Looks for a flag in Node's rawHeaders (name, value, name, value …). It runs for every request of the service, so it compares
 * lengths first and allocates nothing when there is no flag.
 */
export function readFlag(rawHeaders: readonly string[], names: CarrierNames): CarriedFlag | undefined {
  let found: CarriedFlag | undefined;
  const headerLength = names.header.length;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const length = name.length;
    if (length === headerLength && sameName(name, names.header)) {
      found = merge(found, rawHeaders[i + 1]!.trim(), foundIn.header);
    } else if (length === 7 && sameName(name, BAGGAGE)) {
      const value = rawHeaders[i + 1]!;
      if (!value.includes(names.member)) continue;
      for (const token of readMembers(value, names.member)) found = merge(found, token, foundIn.baggage);
    }
  }
  return found;
}

interface FoundFlag extends CarriedFlag {
  carriers: number;
}
const foundIn = { header: 1, baggage: 2 } as const;

function merge(found: CarriedFlag | undefined, token: string, carrier: number): FoundFlag {
  if (found === undefined) return { token, conflict: false, carriers: carrier, all: [token] };
  const known = found as FoundFlag;
  return {
    token: known.token,
    conflict: known.conflict || known.token !== token || (known.carriers & carrier) !== 0,
    carriers: known.carriers | carrier,
    all: [...known.all, token],
  };
}

function sameName(name: string, lower: string): boolean {
  return name === lower || name.toLowerCase() === lower;
}

/** The value of one header in rawHeaders; undefined when it is not there. */
export function rawHeader(rawHeaders: readonly string[], lowerName: string): string | undefined {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length === lowerName.length && sameName(rawHeaders[i]!, lowerName)) return rawHeaders[i + 1];
  }
  return undefined;
}

/** Takes the flag out of rawHeaders, in place, before Node makes `headers` from them. */
export function stripFlag(rawHeaders: string[], names: CarrierNames): void {
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (name === names.header || name === PROBE_HEADER) {
      rawHeaders.splice(i, 2);
    } else if (name === BAGGAGE) {
      const rest = withoutMember(rawHeaders[i + 1]!, names.member);
      if (rest === '') rawHeaders.splice(i, 2);
      else rawHeaders[i + 1] = rest;
    }
  }
}

export type HeaderValue = string | number | readonly string[] | undefined;

/**
 * The headers of an outgoing request as a flat list, with the flag put in (or taken out, where `context` is undefined). Header names and
 * values of others are kept as they are.
 */
export function withFlag(
  headers: Iterable<readonly [string, HeaderValue]>,
  names: CarrierNames,
  context: ShadowContext | undefined,
): HeaderValue[] {
  const flat: HeaderValue[] = [];
  let baggage: string | undefined;
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (lower === names.header || lower === PROBE_HEADER) continue;
    if (lower === BAGGAGE) {
      const text = Array.isArray(value) ? value.join(',') : String(value ?? '');
      baggage = baggage === undefined ? text : `${baggage},${text}`;
    } else {
      flat.push(name, value);
    }
  }
  if (context === undefined) {
    const rest = baggage === undefined ? '' : withoutMember(baggage, names.member);
    if (rest !== '') flat.push(BAGGAGE, rest);
    return flat;
  }
  flat.push(names.header, context.token, BAGGAGE, withMember(baggage, names.member, context.token));
  if (context.probe !== undefined) flat.push(PROBE_HEADER, context.probe);
  return flat;
}

export function acknowledgement(service: string, configVersion: string): string {
  return `${service};${AGENT_VERSION};${configVersion}`;
}

/** The service named by an acknowledgement; undefined when there is none. */
export function acknowledgedService(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const end = value.indexOf(';');
  return end > 0 ? value.slice(0, end) : undefined;
}
