import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ZodError } from 'zod';
import { type Batch, parseLogs, parseMetrics } from './otlp.js';

const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_UNPACKED_BYTES = 16 * 1024 * 1024;
/** Bodies whose digests are kept, to know a batch that an agent sends again since it missed the answer. */
const MAX_DIGESTS = 2048;
const unpack = promisify(gunzip);

export interface ReceiverOptions {
  /** `host:port`. */
  listen: string;
  onBatch(batch: Batch, receivedAtMs: number): void;
  /** A body that could not be read, at most one a second. */
  onRejected(text: string): void;
}

/** The orchestrator's own OTLP/HTTP receiver (JSON only). It answers anything with a status and never throws into the run. */
export interface Receiver {
  port: number;
  close(): Promise<void>;
}

/** A refusal with a status for the sender. */
class Rejected extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @throws Error when the address cannot be listened on; the message names the scenario's key and the remedy. */
export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const seen = new Set<string>();
  let lastRejectedMs = 0;
  const server = createServer((request, response) => {
    receive(request, seen, options)
      .then(() => answer(response, 200, {}))
      .catch((error: unknown) => {
        const status = error instanceof Rejected ? error.status : error instanceof ZodError ? 400 : 500;
        const text = error instanceof ZodError ? firstIssue(error) : (error as Error).message;
        if (Date.now() - lastRejectedMs > 1000) {
          lastRejectedMs = Date.now();
          options.onRejected(`${request.method} ${request.url}: ${status} ${text}`);
        }
        answer(response, status, { message: text });
      });
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  await listen(server, options.listen);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent || response.destroyed) return;
  // What is left of a refused body is not read.
  const close = status === 413 ? { connection: 'close' } : {};
  response.writeHead(status, { 'content-type': 'application/json', ...close });
  response.end(JSON.stringify(body));
}

async function receive(request: IncomingMessage, seen: Set<string>, options: ReceiverOptions): Promise<void> {
  const parse = { '/v1/metrics': parseMetrics, '/v1/logs': parseLogs }[request.url ?? ''];
  if (parse === undefined) throw new Rejected(404, 'this receiver has /v1/metrics and /v1/logs');
  if (request.method !== 'POST') throw new Rejected(405, 'POST only');
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Rejected(415, 'content-type must be application/json (OTLP/HTTP JSON)');
  }
  const body = await readBody(request);
  const digest = createHash('sha1').update(body).digest('base64');
  if (seen.has(digest)) return;
  const batches = parse(parseJson(body));
  if (seen.size >= MAX_DIGESTS) seen.delete(seen.values().next().value!);
  seen.add(digest);
  const now = Date.now();
  for (const batch of batches) options.onBatch(batch, now);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Rejected(413, `a body has at most ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip') throw new Rejected(415, `content-encoding ${encoding}: only gzip is read`);
  try {
    return await unpack(body, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    const tooLong = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw tooLong
      ? new Rejected(413, `an unpacked body has at most ${MAX_UNPACKED_BYTES} bytes`)
      : new Rejected(400, `gzip: ${(error as Error).message}`);
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new Rejected(400, `not JSON: ${(error as Error).message}`);
  }
}

function firstIssue(error: ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? 'malformed' : `${issue.path.join('.')}: ${issue.message}`;
}

function listen(server: Server, address: string): Promise<void> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const remedy =
        error.code === 'EADDRINUSE'
          ? 'another run or collector listens there; end it or choose another port in the scenario and in SHADOWLINE_TELEMETRY of the services'
          : 'choose another address in the scenario';
      reject(new Error(`telemetry.listen: cannot listen on ${address} (${error.code}): ${remedy}`));
    });
    server.listen(Number(address.slice(colon + 1)), host, resolve);
  });
}
