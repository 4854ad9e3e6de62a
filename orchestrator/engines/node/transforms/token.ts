import type { RecordedRequest } from '../../../recording/recording.js';
import type { TransformSpec } from '../../engine.js';
import type { OutgoingRequest } from '../request.js';
import type { Count, LiveResponse, Transform, TransformContext } from './transform.js';

type TokenSpec = Extract<TransformSpec, { kind: 'token' }>;

/** Sends a login outside the schedule and returns its answer. Rejects when there is none. */
export type RenewLogin = (login: OutgoingRequest, context: TransformContext) => Promise<LiveResponse>;

export interface TokenTools {
  count: Count;
  renew: RenewLogin;
  nowMs(): number;
}

/** What a session knows of its token. */
interface Held {
  token: string;
  /** From now on it is renewed before it is used again; Infinity when nothing says when it expires. */
  renewAtMs: number;
  login: OutgoingRequest;
}

/** Renewed this much before it expires: a fifth of its life, at most 10 s, so that it is still good when the request arrives. */
const MARGIN_SHARE = 0.2;
const MAX_MARGIN_MS = 10_000;
const RETRY_MS = 1000;

/**
 * The token of the live login takes the place of the recorded one, by position: the last word of the header (`Bearer …`), so it does not matter
 * whether the recording's is masked. A session whose login was not recorded keeps what it has, which is noted.
 *
 * | token of the session | a request                     | refused with 401        |
 * | -------------------- | ----------------------------- | ----------------------- |
 * | none                 | goes as recorded              | counted                 |
 * | good                 | carries it                    | login again, send again |
 * | about to expire      | waits for a login, carries it | counted                 |
 */
export function tokenTransform(spec: TokenSpec, position: number, tools: TokenTools): Transform {
  const header = spec.header.replace(/^header:/, '').toLowerCase();
  const [loginMethod = '', loginPath = ''] = spec.login.trim().split(/\s+/);
  if (!loginPath.startsWith('/'))
    throw new RangeError(`login is ${JSON.stringify(spec.login)}; it must be like "POST /login"`);
  const held = (context: TransformContext) => context.session.memory[position] as Held | undefined;
  const isLogin = (record: RecordedRequest) =>
    record.method === loginMethod.toUpperCase() && pathOf(record.url) === loginPath;

  function keep(context: TransformContext, login: OutgoingRequest, response: LiveResponse): boolean {
    if (response.status >= 300) return false;
    const token = readField(response, spec.tokenField);
    if (typeof token !== 'string' || token === '') {
      tools.count(`token: the answer to ${spec.login} has no text at ${spec.tokenField}`);
      return false;
    }
    const lifeMs = lifeOf(
      token,
      spec.expiresInField === undefined ? undefined : readField(response, spec.expiresInField),
      tools.nowMs(),
    );
    const renewAtMs = tools.nowMs() + lifeMs - Math.min(MAX_MARGIN_MS, lifeMs * MARGIN_SHARE);
    context.session.memory[position] = {
      token,
      renewAtMs: Number.isNaN(renewAtMs) ? Number.POSITIVE_INFINITY : renewAtMs,
      login,
    } satisfies Held;
    return true;
  }

  async function renew(context: TransformContext, state: Held): Promise<boolean> {
    try {
      if (keep(context, state.login, await tools.renew(copyOf(state.login), context))) {
        tools.count('token: renewed by logging in again');
        return true;
      }
      tools.count('token: a login to renew it was refused');
    } catch (error) {
      tools.count(`token: a login to renew it failed (${(error as Error).message})`);
    }
    state.renewAtMs = tools.nowMs() + RETRY_MS;
    return false;
  }

  function place(request: OutgoingRequest, token: string): void {
    for (const pair of request.headers) {
      if (pair[0].toLowerCase() === header) pair[1] = pair[1].slice(0, pair[1].lastIndexOf(' ') + 1) + token;
    }
  }

  return {
    apply(request, context) {
      if (isLogin(context.record) || !request.headers.some(([name]) => name.toLowerCase() === header)) return;
      const state = held(context);
      if (state === undefined) {
        tools.count(`token: no login came before the request in its session; ${header} went as recorded`);
        return;
      }
      if (tools.nowMs() < state.renewAtMs) return place(request, state.token);
      return renew(context, state).then(() => place(request, held(context)!.token));
    },
    learnsFrom: isLogin,
    learn(sent, response, context) {
      if (isLogin(context.record)) keep(context, copyOf(sent), response);
    },
    recover(status, context) {
      const state = held(context);
      if (status !== 401 || state === undefined || isLogin(context.record)) return undefined;
      return renew(context, state);
    },
  };
}

/** Milliseconds: what the login said in seconds, else a JWT's own exp (against its iat, so that clocks may differ); NaN when unknown. */
export function lifeOf(token: string, expiresIn: unknown, nowMs: number): number {
  const seconds = typeof expiresIn === 'number' || typeof expiresIn === 'string' ? Number(expiresIn) : Number.NaN;
  if (seconds > 0) return seconds * 1000;
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      exp?: unknown;
      iat?: unknown;
    };
    if (typeof claims.exp !== 'number') return Number.NaN;
    if (typeof claims.iat !== 'number') return Math.max(0, claims.exp * 1000 - nowMs);
    // iat is cut to whole seconds: up to one of them has passed already.
    const lifeMs = Math.max(0, (claims.exp - claims.iat) * 1000);
    return Math.max(lifeMs - 1000, lifeMs / 2);
  } catch {
    return Number.NaN;
  }
}

/** `body.a.b`, `a.b` or `header:x` of an answer. */
function readField(response: LiveResponse, field: string): unknown {
  if (field.startsWith('header:')) return response.header(field.slice('header:'.length));
  try {
    let value: unknown = JSON.parse(response.body);
    for (const key of field.replace(/^body\./, '').split('.'))
      value = (value as Record<string, unknown> | null | undefined)?.[key];
    return value;
  } catch {
    return undefined;
  }
}

function pathOf(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}

function copyOf(request: OutgoingRequest): OutgoingRequest {
  return { ...request, headers: request.headers.map(([name, value]) => [name, value]) };
}
