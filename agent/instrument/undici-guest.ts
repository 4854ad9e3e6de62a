import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Runtime } from '../create-runtime.js';
import { withoutMember } from '../propagate/baggage.js';
import { type CarrierNames, carrierNames } from '../propagate/carrier.js';

interface CreatedRequest {
  /** Name, value, name, value … */
  headers: unknown;
  addHeader(name: string, value: string): unknown;
}

/**
 * Next to a tracer: OpenTelemetry's undici instrumentation adds a baggage header on `undici:request:create`, which fires in the context of
 * whoever drains a queue. So a real request would get the flag of another one, and a flagged one a second flag. The flag that was
 * decided when the request was issued stands; what others add keeps its members, without ours.
 */
export function correctInjections(runtime: Runtime): void {
  const names = carrierNames(runtime.config);
  const onCreate = (message: unknown) => correct((message as { request: CreatedRequest }).request, names);
  runtime.onArm(() => subscribe('undici:request:create', onCreate));
  runtime.onDisarm(() => unsubscribe('undici:request:create', onCreate));
}

function correct(request: CreatedRequest, names: CarrierNames): void {
  const { headers } = request;
  if (!Array.isArray(headers)) return;
  const isFlagged = headers.some((name, i) => i % 2 === 0 && String(name).toLowerCase() === names.header);
  let hasOurs = !isFlagged;
  for (let i = 0; i < headers.length; i += 2) {
    if (String(headers[i]).toLowerCase() !== 'baggage') continue;
    const value = String(headers[i + 1]);
    if (!hasOurs && value.startsWith(`${names.member}=`)) {
      hasOurs = true;
      continue;
    }
    const rest = withoutMember(value, names.member);
    if (rest !== '') {
      headers[i + 1] = rest;
    } else {
      headers.splice(i, 2);
      i -= 2;
    }
  }
  const add = request.addHeader;
  // For those that listen after us.
  request.addHeader = function addHeader(name, value) {
    const lower = String(name).toLowerCase();
    if (lower === names.header) return this;
    const rest = lower === 'baggage' ? withoutMember(String(value), names.member) : value;
    return rest === '' ? this : add.call(this, name, rest);
  };
}
