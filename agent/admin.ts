import http from 'node:http';
import { REAL, runWith } from './context.js';
import { markOwnServer } from './instrument/own-server.js';

export interface AdminActions {
  status(): object;
  kill(reason: string): void;
  rearm(): boolean;
}

export interface AdminServer {
  /** 0 until it listens. */
  port(): number;
  close(): void;
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const LOCAL_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

/**
 * GET /status, POST /kill, POST /rearm on 127.0.0.1. The Host header is checked as well, so that a web page in somebody's browser
 * cannot reach it under a name of its own. `onError` gets what keeps it from listening.
 */
export function startAdmin(port: number, actions: AdminActions, onError: (error: Error) => void): AdminServer {
  const server = http.createServer((request, response) => {
    const answer = (status: number, body: object) => {
      request.resume();
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify(body));
    };
    if (!LOOPBACK.test(request.socket.remoteAddress ?? '') || !LOCAL_HOST.test(request.headers.host ?? '')) {
      answer(403, { error: 'only from this machine' });
      return;
    }
    const [path] = (request.url ?? '').split('?');
    if (request.method === 'GET' && path === '/status') {
      answer(200, actions.status());
    } else if (request.method === 'POST' && path === '/kill') {
      actions.kill('over the admin port');
      answer(200, actions.status());
    } else if (request.method === 'POST' && path === '/rearm') {
      const ok = actions.rearm();
      answer(ok ? 200 : 409, ok ? actions.status() : { error: 'the kill file is still there' });
    } else {
      answer(404, { error: 'GET /status, POST /kill, POST /rearm' });
    }
  });
  markOwnServer(server);
  server.on('error', onError);
  runWith(REAL, () => server.listen(port, '127.0.0.1'));
  server.unref();
  return {
    port() {
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
