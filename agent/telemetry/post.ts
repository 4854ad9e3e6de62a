import http from 'node:http';
import { REAL, runWith } from '../context.js';

const TIMEOUT_MS = 2_000;

/**
 * Posts to an OTLP endpoint over one kept-alive socket. It runs as ordinary work, whatever context the caller is in, and keeps no process
 * alive.
 */
export class Poster {
  readonly #base: URL;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  constructor(base: string) {
    this.#base = new URL(base);
  }

  /** Resolves to false when nobody answered with 2xx within 2 s; never rejects. */
  post(path: string, body: string, batchId: string, holdProcess: boolean): Promise<boolean> {
    return new Promise((resolve) => {
      runWith(REAL, () => {
        const request = http.request({
          agent: this.#agent,
          host: this.#base.hostname,
          port: this.#base.port || 80,
          path: `${this.#base.pathname.replace(/\/$/, '')}${path}`,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            'x-shadowline-batch': batchId,
          },
        });
        const timer = setTimeout(() => request.destroy(), TIMEOUT_MS);
        if (!holdProcess) timer.unref();
        const done = (ok: boolean) => {
          clearTimeout(timer);
          resolve(ok);
        };
        request.on('socket', (socket) => (holdProcess ? socket.ref() : socket.unref()));
        request.on('error', () => done(false));
        request.on('close', () => done(false));
        request.on('response', (response) => {
          response.resume();
          response.on('end', () => done((response.statusCode ?? 500) < 300));
        });
        request.end(body);
      });
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
