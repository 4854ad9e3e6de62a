import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monotonicClock } from './clock.js';
import { Sender } from './sender.js';

const REQUESTS = 1500;
const AT_ONCE = 30;

/**
 * Sends requests to a server of its own, in this thread, before the load begins. A fresh thread runs uncompiled code: without this the first
 * second of a load of 5,000/s measured the compiler (response p99 near half a second), and the report would show it as the target's.
 */
export async function warmUp(): Promise<void> {
  const server = createServer((request, response) => {
    request.resume();
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sender = new Sender({ origin, timeoutMs: 5000, clock: monotonicClock, stopped: () => false });
  let left = REQUESTS;
  const lane = async () => {
    while (left-- > 0) {
      await new Promise((resolve) =>
        sender.send(
          {
            method: 'POST',
            path: '/',
            headers: ['accept', 'application/json', 'content-type', 'application/json'],
            body: Buffer.from('{}'),
            wantsBody: true,
          },
          resolve,
        ),
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  await sender.close();
  server.closeAllConnections();
  server.close();
}
