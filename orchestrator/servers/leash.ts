import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';

/**
 * A server of ours on a leash: it ends when this process ends, however that happens. A shell between the two reads a pipe that only
 * this process holds; when the pipe closes (also by SIGKILL) the shell stops the server. It runs in a session of its own, so that a
 * Ctrl-C in the terminal reaches the toolkit and not the servers under it, which are needed for the leak check.
 */
const LEASH = `
exec 3<&0 0</dev/null
signal=$1
shift
"$@" 3<&- &
server=$!
{ cat <&3 >/dev/null; kill -$signal $server 2>/dev/null; i=0
  while kill -0 $server 2>/dev/null && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done
  kill -KILL $server 2>/dev/null; } >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait $server
status=$?
kill $watch 2>/dev/null
exit $status
`;

export interface LeashedServer {
  readonly pid: number;
  /** Resolves with the exit status when the server has ended. */
  readonly exited: Promise<number>;
  /** Asks it to end (SIGTERM or what was chosen, SIGKILL after 10 s) and waits. Idempotent. */
  stop(): Promise<void>;
}

export interface LeashOptions {
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Its standard output and error go here. */
  logFile: string;
  /** What asks it to end. Default TERM. */
  stopSignal?: 'TERM' | 'INT';
  /** Another user to run as; only root may choose one. */
  as?: UserIds;
}

export interface UserIds {
  uid: number;
  gid: number;
}

export function startLeashed(options: LeashOptions): LeashedServer {
  const log = openSync(options.logFile, 'a');
  const words = [options.stopSignal ?? 'TERM', options.command, ...options.args];
  const child: ChildProcess = spawn('/bin/sh', ['-c', LEASH, 'leash', ...words], {
    ...options.as,
    stdio: ['pipe', log, log],
    env: options.env ?? process.env,
    cwd: options.cwd,
    detached: true,
  });
  closeSync(log);
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      child.stdin?.destroy();
      resolve(code ?? 1);
    });
  });
  exited.catch(() => undefined);
  child.stdin?.on('error', () => undefined);
  return {
    pid: child.pid ?? -1,
    exited,
    async stop() {
      child.stdin?.end();
      await exited.catch(() => undefined);
    },
  };
}

/** A free port on loopback. Somebody else may take it before it is used: starters try again with another one. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** True when something accepts connections there. */
export function accepts(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => done(false));
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}

/**
 * Waits until `ready` says so. Throws with the end of the log when the server ends first or `timeoutMs` passes (and stops it then).
 */
export async function untilReady(
  name: string,
  server: LeashedServer,
  logFile: string,
  ready: () => Promise<boolean>,
  timeoutMs = 90_000,
): Promise<void> {
  let ended: number | undefined;
  server.exited.then(
    (status) => {
      ended = status;
    },
    () => {
      ended = 127;
    },
  );
  const until = Date.now() + timeoutMs;
  while (!(await ready().catch(() => false))) {
    if (ended !== undefined || Date.now() > until) {
      await server.stop();
      const why = ended === undefined ? `was not ready after ${timeoutMs / 1000} s` : `ended with status ${ended}`;
      throw new Error(`${name} ${why}. The end of ${logFile}:\n${lastLines(logFile, 15)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function lastLines(file: string, count: number): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
  } catch {
    return '(no log)';
  }
}
