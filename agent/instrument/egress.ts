import type { EgressRule } from '../config.js';
import type { ShadowContext } from '../context.js';
import type { Runtime } from '../create-runtime.js';
import { ACK_HEADER, acknowledgedService } from '../propagate/carrier.js';

/** `host:port` as the configuration writes it: lower case, IPv6 addresses without brackets. */
export function egressKey(host: string, port: number | string): string {
  const plain = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  return `${plain.toLowerCase()}:${port}`;
}

/** `host:port` of an origin or a Host header. */
export function egressKeyOf(origin: string, defaultProtocol = 'http:'): string | undefined {
  const text = origin.includes('://') ? origin : `${defaultProtocol}//${origin}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return egressKey(url.hostname, url.port || (url.protocol === 'https:' ? 443 : 80));
}

/**
 * What may be done with a call that shadow work issues to this host.
 * @throws ShadowRefusedError EGRESS_DENIED for a host that is not listed, CONTEXT_ENDED, AGENT_KILLED.
 */
export function egressRule(
  runtime: Runtime,
  context: ShadowContext,
  key: string | undefined,
  call: string,
): EgressRule {
  runtime.assertUsable(context, `${call} to ${key}`);
  const rule = key === undefined ? undefined : ruleOf(runtime, key);
  if (rule === undefined) throw runtime.refuse('EGRESS_DENIED', `${call} to ${key ?? 'an unknown host'}`);
  return rule;
}

function ruleOf(runtime: Runtime, key: string): EgressRule | undefined {
  const { egress } = runtime.config;
  if (Object.hasOwn(egress, key)) return egress[key];
  const colon = key.lastIndexOf(':');
  const bracketed = `[${key.slice(0, colon)}]${key.slice(colon)}`;
  return Object.hasOwn(egress, bracketed) ? egress[bracketed] : undefined;
}

/** Whether a bare socket may be opened there by shadow work. */
export function isSocketAllowed(runtime: Runtime, key: string): boolean {
  const action = ruleOf(runtime, key)?.action;
  return action === 'propagate' || action === 'allow';
}

/**
 * Looks at the answer of a `propagate` call: without an acknowledgement no agent runs there, so what was called has worked on real data.
 * @returns the peer's name for the meter
 */
export function judgeAnswer(runtime: Runtime, rule: EgressRule, key: string, ack: string | undefined): string {
  const service = acknowledgedService(ack);
  if (service === undefined && rule.action === 'propagate') {
    runtime.suspect('HOP_UNACKNOWLEDGED', `${key} answered a flagged call without ${ACK_HEADER}`);
  }
  return service ?? key;
}
