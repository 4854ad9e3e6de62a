import { threadId } from 'node:worker_threads';
import { startAdmin } from './admin.js';
import type { AgentOptions } from './config.js';
import { type AgentCounters, Runtime } from './create-runtime.js';
import { wrapConnect } from './instrument/egress-guard.js';
import { installHook } from './instrument/hook.js';
import { setRequestObserver } from './instrument/http.js';
import { wrapHttp2Client, wrapHttp2Server } from './instrument/http2.js';
import { instrumentations } from './instrument/index.js';
import { wrapRejections } from './instrument/rejections.js';
import { wrapFetch } from './instrument/undici.js';
import { correctInjections } from './instrument/undici-guest.js';
import { resolveSettings } from './options.js';
import { Recorder } from './record/recorder.js';
import type { AgentState } from './runtime.js';
import { AGENT_VERSION } from './version.js';

export interface AgentStatus {
  service: string;
  instance: string;
  state: AgentState;
  agentVersion: string;
  configVersion: string;
  /** `name@version` of what is wrapped. */
  instrumented: string[];
  /** While there is one, everything flagged is refused with 503. */
  problems: string[];
  killedBecause: string | undefined;
  counters: AgentCounters;
  /** Port of the admin server, when there is one. */
  adminPort: number | undefined;
}

export interface Agent {
  status(): AgentStatus;
  /** Throws the kill switch: flagged requests are refused with 503 until `rearm`. */
  kill(reason: string): void;
  /** @returns false while the kill file exists. */
  rearm(): boolean;
  /** Arms without a flag: ordinary requests are measured from now on, for 60 s unless said otherwise. */
  arm(forMs?: number): void;
  /**
   * Sends the last telemetry and ends. The wraps stay and refuse everything flagged: without them a flagged request would be taken for an
   * ordinary one.
   */
  stop(): Promise<void>;
}

interface Started {
  agent: Agent;
  runtime: Runtime;
}

/** One agent a process (and worker thread), whatever the number of copies of this library. */
const KEY = Symbol.for('shadowline.agent.1.started');
const holder = globalThis as unknown as Record<symbol, Started | undefined>;

/** The runtime of the started agent; undefined when none is. */
export function startedRuntime(): Runtime | undefined {
  return holder[KEY]?.runtime;
}

/**
 * Starts the agent, or returns the one that runs. It never throws and never keeps the process alive: an agent that cannot work logs why once,
 * lets ordinary traffic pass untouched, and refuses everything flagged.
 */
export function startAgent(options: Partial<AgentOptions> = {}): Agent {
  const started = holder[KEY];
  if (started !== undefined) return started.agent;
  const settings = resolveSettings(options);
  const runtime = new Runtime(settings);
  if (settings.problems.length > 0) {
    process.stderr.write(
      `[shadowline] ${settings.service}: shadow traffic is refused, ordinary traffic is not touched: ${settings.problems.join('; ')}\n`,
    );
  }
  wrapConnect(runtime);
  wrapRejections();
  wrapHttp2Server(runtime);
  wrapHttp2Client(runtime);
  wrapFetch(runtime);
  correctInjections(runtime);
  installHook(instrumentations, runtime);
  const recorder =
    settings.record === undefined ? undefined : new Recorder(settings.record, runtime.service, runtime.instance);
  setRequestObserver(recorder);
  const admin =
    settings.adminPort === undefined || threadId !== 0
      ? undefined
      : startAdmin(
          settings.adminPort,
          { status, kill: (reason) => runtime.kill(reason), rearm: () => runtime.rearm() },
          (error) => process.stderr.write(`[shadowline] ${settings.service}: no admin server: ${error.message}\n`),
        );
  const onSignal = () => runtime.kill(`signal ${settings.killSignal}`);
  if (settings.killSignal !== undefined) process.on(settings.killSignal, onSignal);
  let stopping: Promise<void> | undefined;
  // The process may go on after it: somebody else's listener may have found more to do.
  const onBeforeExit = () => void Promise.all([recorder?.close(), runtime.telemetry.stop()]);
  process.once('beforeExit', onBeforeExit);

  function status(): AgentStatus {
    return {
      service: runtime.service,
      instance: runtime.instance,
      state: runtime.state(),
      agentVersion: AGENT_VERSION,
      configVersion: runtime.configVersion,
      instrumented: [...runtime.instrumented],
      problems: [...runtime.problems],
      killedBecause: runtime.killedBecause,
      counters: structuredClone(runtime.counters),
      adminPort: admin?.port(),
    };
  }

  async function stop(): Promise<void> {
    process.off('beforeExit', onBeforeExit);
    if (settings.killSignal !== undefined) process.off(settings.killSignal, onSignal);
    admin?.close();
    setRequestObserver(undefined);
    await recorder?.close();
    await runtime.stop();
  }

  const agent: Agent = {
    status,
    kill: (reason) => runtime.kill(reason),
    rearm: () => runtime.rearm(),
    arm: (forMs) => runtime.arm(forMs),
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
  holder[KEY] = { agent, runtime };
  return agent;
}
