import type { Runtime } from '../create-runtime.js';
import type { AgentRuntime, Instrumentation } from '../runtime.js';
import { wrapClient } from './http-client.js';
import { type RequestObserver, wrapServer } from './http-server.js';

let observer: RequestObserver | undefined;

/** The recorder watches ordinary requests at the entry. */
export function setRequestObserver(next: RequestObserver | undefined): void {
  observer = next;
}

/** node:http and node:https, in and out. */
export const httpInstrumentation: Instrumentation = {
  name: 'http',
  versions: process.version,
  targets: [
    {
      file: 'node:http',
      wrap(http: any, runtime: AgentRuntime) {
        const restoreServer = wrapServer(http.Server.prototype, runtime as Runtime, () => observer);
        const restoreClient = wrapClient(http, runtime as Runtime);
        return () => {
          restoreServer();
          restoreClient();
        };
      },
    },
    {
      // https.Agent inherits from http.Agent, and its requests are http.ClientRequest.
      file: 'node:https',
      wrap: (https: any, runtime: AgentRuntime) =>
        wrapServer(https.Server.prototype, runtime as Runtime, () => observer),
    },
  ],
};
