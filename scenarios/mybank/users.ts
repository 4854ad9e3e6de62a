import { createWriteStream } from 'node:fs';
import { Agent, request } from 'node:http';
import { finished } from 'node:stream/promises';
import { type Action, CUSTOMERS, numberOf } from './journeys.js';

/** What a user knows of a transfer that it ordered: the truth that real tables are compared with. */
export interface OrderedTransfer {
  idempotencyKey: string;
  from: number;
  to: number;
  amountCents: number;
  /** `unknown`: no answer came, so it may or may not have been done. */
  outcome: 'done' | 'refused' | 'unknown';
}

export interface UsersLog {
  requests: number;
  /** Answers with a status of 400 or more, and requests without an answer. */
  failures: number;
  transfers: OrderedTransfer[];
}

export interface Users {
  readonly log: UsersLog;
  /** Resolves when all have finished or `stop` was called and those under way are done. */
  readonly done: Promise<void>;
  stop(): void;
}

/** The PIN of every customer of the demo. */
export const PIN = '1234';

interface Session {
  token: string | undefined;
  lastTransfer: string | undefined;
  count: number;
  chain: Promise<void>;
}

/**
 * Plays users at the gateway: each session's actions in order, at their times. Every transfer is logged as the user saw it, also to `logFile`
 * (NDJSON), which a reader can compare with the tables.
 * @param name goes into idempotency keys, so that two groups of users never share one
 */
export function startUsers(actions: Action[], target: string, name: string, logFile: string): Users {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const log: UsersLog = { requests: 0, failures: 0, transfers: [] };
  const file = createWriteStream(logFile, { flags: 'a' });
  const sessions = new Map<string, Session>();
  const started = performance.now();
  let stopped = false;
  let wake: (() => void) | undefined;

  const send = (method: string, path: string, session: string, token: string | undefined, body?: object) =>
    new Promise<{ status: number; body: string }>((resolve) => {
      log.requests++;
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers: Record<string, string> = { 'x-session': session };
      if (token !== undefined) headers.authorization = `Bearer ${token}`;
      if (text !== undefined) headers['content-type'] = 'application/json';
      const outgoing = request(`${target}${path}`, { method, headers, agent, timeout: 15_000 }, (response) => {
        let answer = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          answer += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: answer }));
        response.on('error', () => resolve({ status: 0, body: '' }));
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error('timeout')));
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        // the server may close an idle connection just when it is used again; a transfer that was read all the same has its idempotency key
        if (outgoing.reusedSocket && error.code === 'ECONNRESET') {
          log.requests--;
          send(method, path, session, token, body).then(resolve);
          return;
        }
        resolve({ status: 0, body: '' });
      });
      outgoing.end(text);
    });

  const transfer = async (action: Action, session: Session) => {
    const order: OrderedTransfer = {
      idempotencyKey: `${name}-${action.session}-${session.count}`,
      from: action.customer,
      to: payee(action.customer, session.count),
      amountCents: 100 + (session.count % 50) * 10,
      outcome: 'unknown',
    };
    const { outcome: _, ...body } = order;
    const answer = await send('POST', '/transfers', action.session, session.token, { ...body, memo: `rent ${name}` });
    if (answer.status === 201 || answer.status === 200) {
      order.outcome = 'done';
      session.lastTransfer = String((JSON.parse(answer.body) as { id: number }).id);
    } else if (answer.status >= 400 && answer.status < 500) {
      order.outcome = 'refused';
    }
    log.transfers.push(order);
    file.write(`${JSON.stringify(order)}\n`);
    return answer;
  };

  const act = async (action: Action, session: Session) => {
    session.count++;
    const { customer } = action;
    let answer: { status: number; body: string };
    if (action.kind === 'login' || session.token === undefined) {
      answer = await send('POST', '/login', action.session, undefined, { customer, pin: PIN });
      if (answer.status === 200) session.token = (JSON.parse(answer.body) as { token: string }).token;
    } else if (action.kind === 'transfer') {
      answer = await transfer(action, session);
    } else if (action.kind === 'lookup' && session.lastTransfer !== undefined) {
      answer = await send('GET', `/transfers/${session.lastTransfer}`, action.session, session.token);
    } else {
      const tail = action.kind === 'statement' ? '/statement?page=0' : '';
      answer = await send('GET', `/accounts/${customer}${tail}`, action.session, session.token);
    }
    // A user whose token has expired logs in at the next step, as a person would.
    if (answer.status === 401) session.token = undefined;
    if (answer.status === 0 || answer.status >= 400) log.failures++;
  };

  const run = async () => {
    for (const action of actions) {
      const waitMs = started + action.dueMs - performance.now();
      if (waitMs > 0 && !stopped) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, waitMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      if (stopped) break;
      let session = sessions.get(action.session);
      if (session === undefined) {
        session = { token: undefined, lastTransfer: undefined, count: 0, chain: Promise.resolve() };
        sessions.set(action.session, session);
      }
      const current = session;
      session.chain = session.chain.then(() => (stopped ? undefined : act(action, current)));
    }
    await Promise.all([...sessions.values()].map((session) => session.chain));
    agent.destroy();
    file.end();
    await finished(file);
  };
  return {
    log,
    done: run(),
    stop() {
      stopped = true;
      wake?.();
    },
  };
}

function payee(customer: number, count: number): number {
  const to = numberOf(String(customer), String(count));
  return to === customer ? (to % CUSTOMERS) + 1 : to;
}
