import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { monotonicClock as clock } from './clock.js';
import { Feed } from './feed.js';
import type { FromWorker, ToWorker, WorkerStart } from './messages.js';
import { Metronome } from './metronome.js';
import { Pacer } from './pacer.js';
import { Player } from './player.js';
import { Reader } from './reader.js';
import { Reporter } from './reporter.js';
import { planStages } from './schedule.js';
import { Sender } from './sender.js';
import { recordedTiming, stagedTiming, type Timing } from './timing.js';
import { buildTransforms } from './transforms/index.js';
import { warmUp } from './warm-up.js';

/** A worker thread of the node engine: reads its shards, and sends their requests when they are due. */
const port = parentPort!;
const start = workerData as WorkerStart;
const { options } = start;
const EXPIRE_EVERY_MS = 20;

const post = (message: FromWorker, transfer?: ArrayBuffer[]) => port.postMessage(message, transfer);
const fail = (error: unknown) =>
  post({ kind: 'failed', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });

try {
  await work();
} catch (error) {
  fail(error);
  port.close();
}

async function work(): Promise<void> {
  const stoppedFlag = new Int32Array(start.stopped);
  const stopped = () => Atomics.load(stoppedFlag, 0) === 1;
  const notes = new Map<string, number>();
  const count = (what: string) => void notes.set(what, (notes.get(what) ?? 0) + 1);
  let canariesPlaced = 0;
  let startAtUs = Number.POSITIVE_INFINITY;
  let utilizationSeen = performance.eventLoopUtilization();

  const warmedUp = warmUp();
  const reader = new Reader({
    recordingModule: start.recordingModule,
    recordingDir: options.recordingDir,
    shards: start.shards,
    responses: options.transforms.some(({ kind }) => kind === 'correlate' || kind === 'module'),
  });
  const transforms = await buildTransforms(options, {
    count,
    canaryPlaced: () => void canariesPlaced++,
    renew: (login) => player.sendExtra(login),
    nowMs: () => Date.now(),
  });
  const feed = new Feed({
    read: () => reader.read(),
    timing: timingOf(start),
    copies: options.amplifySessions,
    nowUs: () => (startAtUs === Number.POSITIVE_INFINITY ? 0 : clock.nowUs() - startAtUs),
    onReady: () => {
      if (startAtUs === Number.POSITIVE_INFINITY) announce();
      else pacer.rearm();
    },
  });
  const sender = new Sender({ origin: new URL(options.target).origin, timeoutMs: options.timeoutMs, clock, stopped });
  const reporter = new Reporter(
    (progress) => post({ kind: 'progress', progress }, [progress.samples.buffer]),
    () => ({ inFlight: player.inFlight, sessions: feed.sessions, canariesPlaced, eventLoopUtilization: utilization() }),
  );
  const player: Player = new Player({
    options,
    maxInFlight: start.maxInFlight,
    transforms,
    feed,
    sender,
    reporter,
    clock,
    stopped,
    onLimit: () => post({ kind: 'limit' }),
    onEnd: () => void end(),
    onSpare: (nowUs) => pacer.poke(nowUs),
  });
  const metronome = new Metronome();
  const pacer: Pacer = new Pacer(clock, metronome, (nowUs) => player.tick(nowUs));
  let secondTimer: NodeJS.Timeout | undefined;
  let drainTimer: NodeJS.Timeout | undefined;
  const expiry = setInterval(() => sender.expire(clock.nowUs()), EXPIRE_EVERY_MS);

  port.on('message', (message: ToWorker) => {
    if (message.kind === 'go') go(message.startAtUs);
    else if (message.kind === 'headers') player.setHeaders(message.headers);
    else stop(message.drainMs);
  });
  feed.run().catch((error: unknown) => {
    fail(error);
    // What was read before the fault is replayed no further: the main thread ends the run.
    feed.stop();
  });

  let announced = false;
  function announce(): void {
    if (announced) return;
    announced = true;
    void warmedUp.then(() => post({ kind: 'ready' }));
  }

  function go(atUs: number): void {
    startAtUs = atUs;
    utilizationSeen = performance.eventLoopUtilization();
    player.startAt(atUs);
    pacer.start();
    nextSecond(1);
  }

  function nextSecond(second: number): void {
    const inMs = (startAtUs + second * 1e6 - clock.nowUs()) / 1000;
    secondTimer = setTimeout(
      () => {
        pacer.rearm();
        reporter.flush(true);
        nextSecond(second + 1);
      },
      Math.max(0, inMs),
    );
  }

  function stop(drainMs: number): void {
    feed.stop();
    player.dropWaiting();
    drainTimer = setTimeout(
      () => sender.cutAll('no-answer-in-drain', `no whole answer within ${drainMs} ms after the stop`),
      drainMs,
    );
  }

  async function end(): Promise<void> {
    const finished = !stopped();
    clearTimeout(secondTimer);
    clearTimeout(drainTimer);
    clearInterval(expiry);
    pacer.stop();
    reporter.flush(true, false);
    feed.stop();
    await Promise.allSettled([metronome.close(), sender.close(), reader.close()]);
    if (feed.forgottenSessions > 0)
      notes.set(
        'sessions that were forgotten while they rested, with their tokens: too many at once',
        feed.forgottenSessions,
      );
    post({ kind: 'end', lastSentAtUs: player.lastSentAtUs, finished, notes: Object.fromEntries(notes) });
    port.close();
  }

  function utilization(): number {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, utilizationSeen);
    utilizationSeen = now;
    return utilization;
  }
}

function timingOf({ options: { schedule, think }, slots, recordedPerUs }: WorkerStart): Timing {
  return schedule.kind === 'stages'
    ? stagedTiming(planStages(schedule.stages), slots, recordedPerUs)
    : recordedTiming(schedule, think);
}
