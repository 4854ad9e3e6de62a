import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AgentOptions } from '../config.js';
import type { RequestObserver } from '../instrument/http-server.js';
import { rawHeader } from '../propagate/carrier.js';
import type { CaptureRecord } from './capture.js';
import { Masker } from './mask.js';
import { SegmentWriter } from './segments.js';

type RecordOptions = NonNullable<AgentOptions['record']>;
type Header = [name: string, value: string];

const MAX_SESSIONS = 100_000;
const TEXT = /^(?:text\/|application\/(?:[\w.+-]*json|xml|x-www-form-urlencoded|javascript|graphql)|[\w/.-]+\+xml)/i;

/**
 * Records ordinary requests at the service's entry: request and response, masked. It only looks on: bodies are copied as they pass
 * (`push` of the request, `write` and `end` of the response), nothing is consumed, and no fault of the disk reaches the service.
 */
export class Recorder implements RequestObserver {
  readonly #options: RecordOptions;
  readonly #masker: Masker;
  readonly #writer: SegmentWriter;
  /** Next number within the session; the least recently seen goes first. */
  readonly #sequence = new Map<string, number>();
  readonly #onExit = () => this.#writer.closeNow();
  #heldBytes = 0;
  #on = true;

  constructor(options: RecordOptions, service: string, instance: string, env: NodeJS.ProcessEnv = process.env) {
    this.#options = options;
    this.#masker = new Masker(env[options.maskKeyEnv], options.mask);
    this.#writer = new SegmentWriter({
      ...options,
      service,
      instance,
      nowUs,
      onFailure: (error) => {
        this.#on = false;
        process.stderr.write(`[shadowline] ${service}: recording stopped, the service goes on: ${error.message}\n`);
      },
    });
    process.once('exit', this.#onExit);
  }

  observe(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#on) return;
    try {
      this.#observe(request, response);
    } catch (error) {
      this.#on = false;
      process.stderr.write(`[shadowline] recording stopped, the service goes on: ${(error as Error).stack}\n`);
    }
  }

  async close(): Promise<void> {
    this.#on = false;
    process.off('exit', this.#onExit);
    await this.#writer.close();
  }

  #observe(request: IncomingMessage, response: ServerResponse): void {
    const session = this.#sessionOf(request);
    if (!this.#isSampled(session)) {
      this.#writer.countDropped();
      return;
    }
    const seq = this.#sequence.get(session) ?? 0;
    this.#sequence.delete(session);
    this.#sequence.set(session, seq + 1);
    if (this.#sequence.size > MAX_SESSIONS) this.#sequence.delete(this.#sequence.keys().next().value!);
    const t_us = nowUs();
    // Taken now: a framework may change them.
    const { method = 'GET', url = '/' } = request;
    const headers = [...request.rawHeaders];
    const asked = new BodyCopy(this.#options.maxBodyBytes, (bytes) => this.#hold(bytes), undefined);
    const answered = new BodyCopy(
      this.#options.maxBodyBytes,
      (bytes) => this.#hold(bytes),
      () => isText(response),
    );
    copyRequest(request, asked);
    copyResponse(response, answered);
    const over = () => {
      this.#heldBytes -= asked.bytes + answered.bytes;
      if (!this.#on) return;
      // A request without all of its body cannot be replayed; one that was not answered has nothing to be compared with.
      if (asked.isCut || !response.writableFinished || !request.complete) {
        this.#writer.countDropped();
        return;
      }
      const record = this.#record({ t_us, session, seq, method, url, headers }, asked, response, answered, endUs);
      this.#writer.add(record);
    };
    let endUs = 0;
    response.once('close', () => {
      endUs = nowUs();
      // A service may answer before the body has come; Node reads the rest away.
      if (request.complete || request.destroyed) over();
      else request.once('close', over);
    });
  }

  #record(
    head: { t_us: number; session: string; seq: number; method: string; url: string; headers: string[] },
    asked: BodyCopy,
    response: ServerResponse,
    answered: BodyCopy,
    endUs: number,
  ): CaptureRecord {
    const body = asked.take();
    const text = body === undefined ? undefined : utf8(body);
    const responseHeaders = sentHeaders(response);
    const responseBody = answered.isCut ? undefined : answered.take();
    const responseText = responseBody === undefined ? undefined : utf8(responseBody);
    const digest = answered.digest();
    return {
      t_us: head.t_us,
      session: head.session,
      seq: head.seq,
      method: head.method,
      url: this.#masker.url(head.url),
      headers: this.#masker.headers(pairs(head.headers)),
      ...(body !== undefined &&
        (text === undefined
          ? { body: body.toString('base64'), body_encoding: 'base64' as const }
          : {
              body: this.#masker.body(text, rawHeader(head.headers, 'content-type') ?? ''),
              body_encoding: 'utf8' as const,
            })),
      status: response.statusCode,
      latency_us: endUs - head.t_us,
      response_headers: this.#masker.headers(responseHeaders),
      ...(responseText !== undefined && {
        response_body: this.#masker.body(responseText, String(contentType(response) ?? '')),
      }),
      ...(digest !== undefined && { response_digest: digest }),
    };
  }

  #hold(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#options.maxBufferBytes) return false;
    this.#heldBytes += bytes;
    return true;
  }

  #sessionOf(request: IncomingMessage): string {
    const { session } = this.#options;
    if (session.startsWith('header:')) {
      const name = session.slice(7).toLowerCase();
      const value = rawHeader(request.rawHeaders, name);
      if (value !== undefined)
        return name === 'authorization' ? this.#masker.pseudonym(value) : this.#masker.text(value);
    } else if (session.startsWith('cookie:')) {
      const value = cookieOf(rawHeader(request.rawHeaders, 'cookie'), session.slice(7));
      if (value !== undefined) return this.#masker.pseudonym(value);
    }
    const agent = rawHeader(request.rawHeaders, 'user-agent') ?? '';
    return this.#masker.pseudonym(`${request.socket.remoteAddress} ${agent}`);
  }

  /** Whole sessions or none of them: half a session cannot be replayed. */
  #isSampled(session: string): boolean {
    if (this.#options.sample >= 1) return true;
    const hash = createHash('sha256').update(session).digest().readUInt32BE(0);
    return hash / 2 ** 32 < this.#options.sample;
  }
}

/** Copies what passes, up to a limit. */
class BodyCopy {
  readonly #limit: number;
  readonly #hold: (bytes: number) => boolean;
  /** Says whether the bytes are worth keeping; the digest is made either way. */
  readonly #wants: (() => boolean) | undefined;
  readonly #hash: Hash | undefined;
  #chunks: Buffer[] = [];
  #isCut = false;
  #seen = 0;
  /** Held in memory. */
  bytes = 0;

  constructor(limit: number, hold: (bytes: number) => boolean, wants: (() => boolean) | undefined) {
    this.#limit = limit;
    this.#hold = hold;
    this.#wants = wants;
    this.#hash = wants === undefined ? undefined : createHash('sha256');
  }

  add(chunk: unknown, encoding: unknown): void {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return;
    const buffer =
      typeof chunk === 'string'
        ? Buffer.from(chunk, (typeof encoding === 'string' ? encoding : 'utf8') as BufferEncoding)
        : Buffer.from(chunk);
    if (buffer.length === 0) return;
    this.#seen += buffer.length;
    this.#hash?.update(buffer);
    if (this.#isCut) return;
    if (this.#wants?.() === false || this.#seen > this.#limit || !this.#hold(buffer.length)) {
      this.#isCut = true;
      this.#chunks = [];
      return;
    }
    this.bytes += buffer.length;
    this.#chunks.push(buffer);
  }

  /** Something is missing. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** undefined when there was nothing. */
  take(): Buffer | undefined {
    return this.#chunks.length === 0 ? undefined : Buffer.concat(this.#chunks);
  }

  digest(): string | undefined {
    return this.#seen === 0 ? undefined : this.#hash?.digest('hex').slice(0, 16);
  }
}

function copyRequest(request: IncomingMessage, copy: BodyCopy): void {
  const push = request.push;
  request.push = function pushed(chunk: unknown, encoding?: BufferEncoding) {
    copy.add(chunk, encoding);
    return push.call(this, chunk, encoding);
  };
}

function copyResponse(response: ServerResponse, copy: BodyCopy): void {
  const { write, end } = response as { write: (...args: any[]) => boolean; end: (...args: any[]) => ServerResponse };
  response.write = function written(this: ServerResponse, ...args: any[]) {
    copy.add(args[0], args[1]);
    return write.apply(this, args);
  } as ServerResponse['write'];
  response.end = function ended(this: ServerResponse, ...args: any[]) {
    if (typeof args[0] !== 'function') copy.add(args[0], args[1]);
    return end.apply(this, args);
  } as ServerResponse['end'];
}

/** As sent: headers given to `writeHead` are nowhere but in the text that went out. */
function sentHeaders(response: ServerResponse): Header[] {
  const sent = (response as unknown as { _header?: string | null })._header;
  if (typeof sent !== 'string') return [];
  const headers: Header[] = [];
  for (const line of sent.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
  }
  return headers;
}

function contentType(response: ServerResponse): string | undefined {
  return sentHeaders(response).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
}

function isText(response: ServerResponse): boolean {
  // With the first chunk the headers may not have gone out yet.
  const type = response.headersSent ? contentType(response) : response.getHeader('content-type');
  const encoding = response.headersSent
    ? sentHeaders(response).find(([name]) => name.toLowerCase() === 'content-encoding')?.[1]
    : response.getHeader('content-encoding');
  if (encoding !== undefined && encoding !== 'identity') return false;
  return type === undefined || TEXT.test(String(type));
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8(buffer: Buffer): string | undefined {
  try {
    return decoder.decode(buffer);
  } catch {
    return undefined;
  }
}

function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}

function pairs(rawHeaders: readonly string[]): Header[] {
  const list: Header[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) list.push([rawHeaders[i]!, rawHeaders[i + 1]!]);
  return list;
}

/** Wall clock at the start plus a clock that does not step. */
function nowUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}
