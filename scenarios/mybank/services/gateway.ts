import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { jwtVerify, SignJWT } from 'jose';
import { setting } from './setting.js';

/**
 * The entry: login (a JWT with an expiry), routes and sessions. It knows nothing of Shadowline; its agent is preloaded. Plain node:http in,
 * fetch out.
 */
const accountUrl = setting('ACCOUNT_URL');
const paymentUrl = setting('PAYMENT_URL');
const secret = new TextEncoder().encode(setting('JWT_SECRET'));
const tokenTtlS = Number(setting('TOKEN_TTL_S'));
const MAX_BODY_BYTES = 64 * 1024;

class HttpError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk;
    if (body.length > MAX_BODY_BYTES) throw new HttpError(413, 'body too large');
  }
  return body;
}

function parseJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new HttpError(400, 'the body is not a JSON object');
}

async function login(body: Record<string, unknown>): Promise<object> {
  const customer = Number(body.customer);
  if (!Number.isSafeInteger(customer)) throw new HttpError(400, 'customer is not a number');
  const answer = await fetch(`${accountUrl}/customers/${customer}/credentials`);
  if (answer.status === 404) throw new HttpError(401, 'unknown customer or wrong PIN');
  if (!answer.ok) throw new HttpError(502, `account answered ${answer.status}`);
  const { pinDigest } = (await answer.json()) as { pinDigest: string };
  if (createHash('sha256').update(String(body.pin)).digest('hex') !== pinDigest) {
    throw new HttpError(401, 'unknown customer or wrong PIN');
  }
  const token = await new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(String(customer))
    .setIssuedAt()
    .setExpirationTime(`${tokenTtlS}s`)
    .sign(secret);
  return { token, expiresIn: tokenTtlS };
}

async function authenticate(request: IncomingMessage): Promise<string> {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  if (scheme !== 'Bearer' || !token) throw new HttpError(401, 'log in first');
  try {
    const { payload } = await jwtVerify(token, secret);
    return String(payload.sub);
  } catch {
    throw new HttpError(401, 'the token is wrong or has expired');
  }
}

async function pass(response: ServerResponse, url: string, init?: RequestInit): Promise<void> {
  const answer = await fetch(url, init);
  const body = await answer.text();
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' });
  response.end(body);
}

async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://gateway');
  const key = `${request.method} ${url.pathname}`;
  if (key === 'GET /health') {
    response.end('ok');
  } else if (key === 'POST /login') {
    const answer = await login(parseJson(await readBody(request)));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  } else {
    const customer = await authenticate(request);
    if (key === 'POST /transfers') {
      const body = await readBody(request);
      parseJson(body);
      const headers = { 'content-type': 'application/json', 'x-customer': customer };
      await pass(response, `${paymentUrl}/transfers`, { method: 'POST', headers, body });
    } else if (request.method === 'GET' && /^\/accounts\/\d+(\/statement)?$/.test(url.pathname)) {
      await pass(response, `${accountUrl}${url.pathname}${url.search}`, { headers: { 'x-customer': customer } });
    } else if (request.method === 'GET' && /^\/transfers\/[\w.-]+$/.test(url.pathname)) {
      await pass(response, `${paymentUrl}${url.pathname}`, { headers: { 'x-customer': customer } });
    } else {
      throw new HttpError(404, 'no such route');
    }
  }
}

const server = createServer((request, response) => {
  route(request, response).catch((error: Error) => {
    const status = error instanceof HttpError ? error.status : 502;
    if (!response.headersSent) response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: error.message }));
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(setting('PORT')), '127.0.0.1');
// As Kubernetes asks it to: no new connections, then the end.
process.once('SIGTERM', () => server.close(() => process.exit(0)));
