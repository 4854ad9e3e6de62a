import type { RecordedRequest } from '../orchestrator/recording/recording.js';
import { routeOf } from '../orchestrator/recording/routes.js';

/** So many requests say enough about the shape of the traffic. */
const ENOUGH = 200_000;
const MAX_BODY_BYTES = 64 * 1024;

/** A field of a request that a transform may be wanted for. */
export interface Candidate {
  route: string;
  field: string;
  count: number;
}

/** What a recording holds, as far as a scenario's first draft needs it. */
export class Survey {
  requests = 0;
  lastUs = 0;
  readonly #sessions = new Set<string>();
  readonly #routes = new Map<string, number>();
  readonly #identities = new Map<string, Candidate>();
  readonly #unique = new Map<string, Candidate>();
  #login: { route: string; field: string } | undefined;

  get sessions(): number {
    return this.#sessions.size;
  }

  get isEnough(): boolean {
    return this.requests >= ENOUGH;
  }

  /** Most frequent first. */
  get routes(): { route: string; count: number }[] {
    return [...this.#routes]
      .map(([route, count]) => ({ route, count }))
      .sort((a, b) => b.count - a.count || a.route.localeCompare(b.route));
  }

  /** Whole numbers that look like identities: `body.from`, `path:1`. */
  get identities(): Candidate[] {
    return byCount(this.#identities);
  }

  /** Idempotency keys and the like: a canary keeps them unique. */
  get unique(): Candidate[] {
    return byCount(this.#unique);
  }

  /** The route that answers with a token, and the token's field. */
  get login(): { route: string; field: string } | undefined {
    return this.#login;
  }

  take(request: RecordedRequest): void {
    const route = routeOf(request.method, request.url);
    this.requests++;
    this.lastUs = Math.max(this.lastUs, request.tUs);
    this.#sessions.add(request.session);
    this.#routes.set(route, (this.#routes.get(route) ?? 0) + 1);
    request.url
      .split('?')[0]!
      .split('/')
      .slice(1)
      .forEach((segment, index) => {
        if (/^\d{1,15}$/.test(segment)) this.#count(this.#identities, route, `path:${index}`);
      });
    for (const [name, value] of request.headers) {
      if (/^(x-)?idempotency-key$/i.test(name)) this.#count(this.#unique, route, `header:${name.toLowerCase()}`);
      else if (/^x-(user|customer|account)-id$/i.test(name) && /^\d{1,15}$/.test(value))
        this.#count(this.#identities, route, `header:${name.toLowerCase()}`);
    }
    for (const [field, value] of fieldsOf(request.body)) {
      if (/(idempotency|request|nonce)_?(key|id)?$/i.test(field) && typeof value === 'string')
        this.#count(this.#unique, route, field);
      else if (isIdentity(field, value)) this.#count(this.#identities, route, field);
    }
    if (this.#login === undefined && request.method === 'POST' && /login|signin|token|session|auth/i.test(route)) {
      const token = fieldsOf(request.responseBody).find(
        ([field, value]) => /token|jwt/i.test(field) && typeof value === 'string',
      );
      if (token !== undefined) this.#login = { route, field: token[0] };
    }
  }

  #count(into: Map<string, Candidate>, route: string, field: string): void {
    const key = `${route} ${field}`;
    const known = into.get(key) ?? { route, field, count: 0 };
    if (into.size >= 500 && !into.has(key)) return;
    known.count++;
    into.set(key, known);
  }
}

function byCount(candidates: ReadonlyMap<string, Candidate>): Candidate[] {
  return [...candidates.values()].sort((a, b) => b.count - a.count || a.field.localeCompare(b.field));
}

const IDENTITY =
  /(^|[._])(from|to|payer|payee|sender|recipient|beneficiary)$|(user|customer|account|card|member|owner)(_?id|_?no|_?number)?$/i;

function isIdentity(field: string, value: unknown): boolean {
  const isWhole = Number.isSafeInteger(value) || (typeof value === 'string' && /^\d{1,15}$/.test(value));
  return isWhole && IDENTITY.test(field);
}

/** Leaves of a JSON body as `body.a.b`; nothing when it is no JSON object. */
function fieldsOf(body: Uint8Array | string | undefined): [string, unknown][] {
  if (body === undefined || body.length === 0 || body.length > MAX_BODY_BYTES) return [];
  const fields: [string, unknown][] = [];
  const walk = (value: unknown, path: string, depth: number): void => {
    if (typeof value !== 'object' || value === null) fields.push([path, value]);
    else if (depth < 4) for (const [key, inner] of Object.entries(value)) walk(inner, `${path}.${key}`, depth + 1);
  };
  try {
    const value: unknown = JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) walk(value, 'body', 0);
  } catch {
    // No JSON: there is nothing to find in it.
  }
  return fields;
}
