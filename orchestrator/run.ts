import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readPrivateKey } from '@shadowline/agent/flag';
import type { EngineOptions, EngineResult, EngineRun } from './engines/engine.js';
import { engineByName } from './engines/index.js';
import { Audit, type AuditReport } from './leakcheck/audit.js';
import { type PreflightReport, preflight } from './preflight/preflight.js';
import type { Result } from './result/schema.js';
import { environmentOf } from './run/environment.js';
import type { Phase, RunEvent } from './run/events.js';
import { FlagIssuer, MAX_TTL_MS } from './run/flag-issuer.js';
import { RunFolder, type RunFolderError } from './run/folder.js';
import { histogramLog } from './run/histogram-log.js';
import { newRunIdentity, type RunIdentity } from './run/identity.js';
import { Live } from './run/live.js';
import { type RunFacts, resultOf } from './run/result.js';
import type { Scenario } from './scenario/scenario.js';
import { openStores, redisPrefixOf, type Stores } from './stores/index.js';
import { startTelemetry, type Telemetry } from './telemetry/index.js';

export interface RunOptions {
  runsDir: string;
  /** The first Ctrl-C: stop the load, drain, leak check, report. */
  signal?: AbortSignal;
  onProgress(event: RunEvent): void;
  /** Leaves shadow rows and keys where they are. */
  keepShadow?: boolean;
  /** Renders the reports of a run folder; the orchestrator knows no renderer. */
  render?: (runDir: string) => Promise<unknown>;
}

export interface RunOutcome {
  result: Result;
  runDir: string;
  exitCode: number;
}

/**
 * The main job: preflight → baseline → load → drain → leak check → report → clean-up. Whatever happens on the way ends in a result; what cannot even be
 * written is thrown.
 * @throws RunFolderError when the run folder cannot be written: before anything was sent, or when the result found no room.
 */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<RunOutcome> {
  const run = await Run.open(scenario, options);
  try {
    await run.prepare();
    if (run.mayLoad()) {
      await run.baseline();
      await run.load();
    }
    await run.leakCheck();
  } catch (error) {
    run.fail(error as Error);
  }
  try {
    return await run.report();
  } finally {
    await run.close();
  }
}

class Run {
  readonly #scenario: Scenario;
  readonly #options: RunOptions;
  readonly #folder: RunFolder;
  readonly #identity: RunIdentity;
  readonly #startedAtMs = Date.now();
  readonly #refusals: string[] = [];
  #telemetry: Telemetry | undefined;
  #stores: Stores | undefined;
  #issuer: FlagIssuer | undefined;
  #audit: Audit | undefined;
  #preflight: PreflightReport | undefined;
  #live: Live | undefined;
  #engineRun: EngineRun | undefined;
  #engine: EngineResult | undefined;
  #report: AuditReport | undefined;
  #lost: string[] = [];
  #failure: string | undefined;

  private constructor(scenario: Scenario, options: RunOptions, identity: RunIdentity) {
    this.#scenario = scenario;
    this.#options = options;
    this.#identity = identity;
    this.#folder = RunFolder.create(options.runsDir, identity.folder, (error) => {
      this.#note(error.message, 'error');
      this.#engineRun?.stop(`the run folder cannot be written: ${error.message}`, scenario.load.drainMs);
    });
  }

  static async open(scenario: Scenario, options: RunOptions): Promise<Run> {
    const run = new Run(scenario, options, newRunIdentity(scenario.name, new Date()));
    // As it stands in the file: what `${NAME}` and `env:NAME` stand for is never written down.
    run.#folder.replace('scenario.yaml', await readFile(scenario.file).catch(() => '# the scenario was not a file\n'));
    run.#log('info', `run ${run.#identity.runId} of ${scenario.name} at ${scenario.target}`);
    return run;
  }

  /** Opens everything and checks it. What is wrong is in the result, not thrown. */
  async prepare(): Promise<void> {
    const { runId, canary } = this.#identity;
    this.#phase('preflight', 'preflight');
    const { flag } = this.#scenario.shadow;
    if (flag.ttlMs > MAX_TTL_MS) {
      this.#refusals.push(
        `shadow.flag.ttl is ${flag.ttlMs / 1000} s: a flag lives at most ${MAX_TTL_MS / 1000} s, so that stragglers end with the run.`,
      );
      return;
    }
    try {
      this.#telemetry = await startTelemetry({
        listen: this.#scenario.telemetry.listen,
        runId,
        onLedger: (line) => this.#folder.append('ledger', line),
        onEvent: (service, { name, attributes, body }) => {
          const line = {
            version: 1,
            at: new Date().toISOString(),
            hop: service,
            event: name,
            ...attributes,
            message: body,
          };
          if (name === 'shadowline.refused' || name === 'shadowline.suspect') this.#folder.append('errors', line);
          else this.#folder.append('log', line);
        },
        onRejected: (text) => this.#log('warn', `telemetry: ${text}`),
      });
    } catch (error) {
      this.#refusals.push((error as Error).message);
      return;
    }
    const { stores, problems } = await openStores(this.#scenario);
    this.#stores = stores;
    this.#issuer = new FlagIssuer({ ...flag, runId, privateKey: readPrivateKey(flag.privateKeyPem) });
    this.#audit = new Audit({
      scenario: this.#scenario,
      stores,
      telemetry: this.#telemetry,
      runId,
      canary,
      note: (text) => this.#note(text),
    });
    this.#preflight = await preflight({
      scenario: this.#scenario,
      runId,
      canary,
      issuer: this.#issuer,
      telemetry: this.#telemetry,
      stores,
      storeProblems: problems,
      audit: this.#audit,
      signal: this.#options.signal,
      say: (text) => this.#phase('preflight', text),
    });
    for (const note of this.#preflight.notes) this.#note(note);
    for (const problem of this.#preflight.problems) this.#log('error', problem);
  }

  mayLoad(): boolean {
    return (
      this.#refusals.length === 0 &&
      this.#preflight?.problems.length === 0 &&
      this.#folder.failure === undefined &&
      !this.#isInterrupted()
    );
  }

  async baseline(): Promise<void> {
    const { prober, harmlessPath, entry, manifest } = this.#preflight!;
    this.#live = new Live({
      scenario: this.#scenario,
      telemetry: this.#telemetry!,
      folder: this.#folder,
      audit: this.#audit!,
      entry,
      plannedS: plannedSeconds(this.#scenario, manifest!),
      onProgress: this.#options.onProgress,
      say: (text) => this.#note(text, 'warn'),
    });
    this.#phase('baseline', `real users for ${Math.round(this.#scenario.baselineMs / 1000)} s, agents armed`);
    await this.#live.measureBaseline(this.#options.signal, () => prober!.touch(harmlessPath));
  }

  async load(): Promise<void> {
    if (!this.mayLoad()) return;
    const live = this.#live!;
    const issuer = this.#issuer!;
    this.#phase('load', 'load');
    live.begin();
    const engine = engineByName(this.#scenario.load.engine);
    const run = await engine.start(engineOptions(this.#scenario, this.#identity, issuer.headers(), live));
    this.#engineRun = run;
    const interrupt = () => run.stop('interrupted', this.#scenario.load.drainMs);
    this.#options.signal?.addEventListener('abort', interrupt, { once: true });
    // Either may have happened while the engine opened.
    if (this.#isInterrupted()) interrupt();
    if (this.#folder.failure !== undefined) run.stop(this.#folder.failure.message, this.#scenario.load.drainMs);
    live.attach(run);
    issuer.renew((headers) => run.setHeaders(headers));
    try {
      this.#engine = await run.done;
    } finally {
      issuer.stop();
      this.#engineRun = undefined;
      this.#options.signal?.removeEventListener('abort', interrupt);
      await live.end();
    }
    this.#log('info', `load ended: ${this.#engine.endedBecause}`);
  }

  /** Needed as soon as one flagged request went out, however the rest went. */
  async leakCheck(): Promise<void> {
    if (this.#preflight?.prober === undefined) return;
    this.#phase('drain', 'messages and writes under way');
    const stopDrain = this.#live?.drain() ?? (() => undefined);
    await this.#audit!.settle(this.#scenario.load.drainMs + 10_000);
    stopDrain();
    const { fleet } = this.#telemetry!;
    fleet.watch(Object.keys(this.#scenario.services), Date.now(), 5_000);
    this.#lost = [
      ...new Set(
        fleet
          .all()
          .filter((one) => one.lostAtMs !== undefined || one.lostBatches > 0)
          .map((one) => one.service),
      ),
    ];
    this.#phase('leak-check', 'writes issued against rows found; canaries and shadow ids in real stores');
    this.#report = await this.#audit!.finish(this.#lost);
  }

  fail(error: Error): void {
    this.#failure = error.message;
    this.#log('error', error.stack ?? error.message);
  }

  /** Writes the result, cleans up, renders. */
  async report(): Promise<RunOutcome> {
    this.#phase('report', 'result and reports');
    const environment = await environmentOf(
      this.#scenario.file,
      this.#scenario.load.engine,
      this.#engine?.workers ?? 0,
    );
    const facts = (cleanedUp: boolean): RunFacts => ({
      scenario: this.#scenario,
      id: basename(this.#folder.dir),
      canary: this.#identity.canary,
      startedAtMs: this.#startedAtMs,
      preflight: this.#preflight,
      refusals: this.#refusals,
      telemetry: this.#telemetry,
      live: this.#live,
      engine: this.#engine,
      audit: this.#report,
      lost: this.#lost,
      interrupted: this.#isInterrupted(),
      failure: this.#failure ?? this.#folder.failure?.message,
      cleanedUp,
      environment,
    });
    let result = resultOf(facts(false));
    this.#folder.release();
    let unwritten: RunFolderError | undefined;
    try {
      this.#writeHistograms();
      this.#writeResult(result);
    } catch (error) {
      unwritten = error as RunFolderError;
    }
    if (await this.#cleanUp()) {
      result = resultOf(facts(true));
      if (unwritten === undefined) this.#writeResult(result);
    }
    if (unwritten !== undefined) throw unwritten;
    await this.#render();
    return { result, runDir: this.#folder.dir, exitCode: result.verdict.exitCode };
  }

  async close(): Promise<void> {
    this.#issuer?.stop();
    await Promise.allSettled([this.#preflight?.prober?.close(), this.#telemetry?.close(), this.#stores?.close()]);
    this.#folder.close();
  }

  /** True when nothing of this run's shadow data is left. */
  async #cleanUp(): Promise<boolean> {
    if (this.#report === undefined || this.#stores === undefined) return false;
    const command = '`stress shadow-db clean`';
    if (this.#options.keepShadow === true || this.#report.outcome === 'leak') {
      const why = this.#options.keepShadow === true ? 'as asked' : 'as evidence of the leak';
      this.#note(`shadow rows and keys stay, ${why}; ${command} removes them`);
      return false;
    }
    this.#phase('clean-up', 'shadow rows and keys of this run');
    let complete = true;
    const tried = async (what: string, clean: () => Promise<string>) => {
      try {
        this.#log('info', await clean());
      } catch (error) {
        complete = false;
        this.#note(`${what} could not be cleaned: ${(error as Error).message}; ${command} does it later`, 'warn');
      }
    };
    for (const store of this.#stores.mysql)
      await tried(`store ${store.name}`, async () => {
        const cleaned = await store.clean(this.#identity.runId);
        if (!cleaned.complete) complete = false;
        return cleaned.text;
      });
    const { redis } = this.#scenario.shadow;
    if (redis !== undefined) {
      const prefix = redisPrefixOf(redis.prefix, this.#identity.runId);
      await tried('Redis', async () => {
        if (this.#stores?.redis === undefined) throw new Error('it was not reached');
        return `${await this.#stores.redis.removePrefix(prefix)} keys under ${prefix} removed`;
      });
    }
    return complete;
  }

  async #render(): Promise<void> {
    try {
      await this.#options.render?.(this.#folder.dir);
    } catch (error) {
      this.#note(
        `the reports could not be made: ${(error as Error).message}; \`stress report\` makes them later`,
        'error',
      );
    }
  }

  #writeHistograms(): void {
    if (this.#engine === undefined) return;
    const { latencies, loadStartedAtMs, durationS } = this.#engine;
    for (const [name, histogram] of Object.entries(latencies)) {
      this.#folder.replace(join('histograms', `${name}.hlog`), histogramLog(histogram, loadStartedAtMs, durationS));
    }
  }

  #writeResult(result: Result): void {
    this.#folder.replace('result.json', `${JSON.stringify(result, null, 2)}\n`);
  }

  #isInterrupted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #phase(phase: Phase, text: string): void {
    this.#log('info', `${phase}: ${text}`);
    this.#options.onProgress({ kind: 'phase', phase, text });
  }

  #note(text: string, level: 'info' | 'warn' | 'error' = 'info'): void {
    this.#log(level, text);
    this.#options.onProgress({ kind: 'note', text });
  }

  #log(level: 'info' | 'warn' | 'error', message: string): void {
    this.#folder?.append('log', { version: 1, at: new Date().toISOString(), level, message });
  }
}

function engineOptions(
  { target, recording, replay, load }: Scenario,
  { runId, canary }: RunIdentity,
  headers: Record<string, string>,
  live: Live,
): EngineOptions {
  return {
    target,
    recordingDir: recording,
    runId,
    canary,
    schedule:
      load.stages.length > 0
        ? { kind: 'stages', stages: load.stages, speed: replay.speed }
        : { kind: 'recorded', speed: replay.speed },
    think: replay.think,
    amplifySessions: replay.amplifySessions,
    transforms: replay.transforms,
    maxInFlight: load.maxInFlight,
    onLimit: load.onLimit,
    timeoutMs: load.timeoutMs,
    workers: load.workers,
    headers,
    onSecond: (sample) => live.onSecond(sample),
  };
}

/** How long the load should take. */
function plannedSeconds({ load, replay }: Scenario, manifest: { fromUs: number; toUs: number }): number {
  if (load.stages.length > 0) return load.stages.reduce((total, stage) => total + stage.durationMs, 0) / 1000;
  return (manifest.toUs - manifest.fromUs) / 1e6 / replay.speed;
}
