import { parentPort, workerData } from 'node:worker_threads';
import { monotonicClock } from './clock.js';
import { BEATING, CHANGED, CLOSED, SLEEPS_UNTIL, WAKE_AT } from './metronome.js';

/** Sleeps until the time in shared memory and posts a message; see metronome.ts. Nearer than this is now. */
const NOW_US = 40;
/** While the other thread has not taken the last beat it is busy: it will look at the clock itself. */
const BUSY_MS = 0.4;
const IDLE_MS = 200;

const flags = new Int32Array(workerData as SharedArrayBuffer);
const times = new Float64Array(workerData as SharedArrayBuffer);

while (Atomics.load(flags, CLOSED) === 0) {
  const changed = Atomics.load(flags, CHANGED);
  const nowUs = monotonicClock.nowUs();
  const leftUs = times[WAKE_AT]! - nowUs;
  const beat = leftUs <= NOW_US;
  if (beat && Atomics.exchange(flags, BEATING, 1) === 0) parentPort?.postMessage(0);
  const sleepMs = beat ? BUSY_MS : Math.min(IDLE_MS, leftUs / 1000);
  times[SLEEPS_UNTIL] = nowUs + sleepMs * 1000;
  Atomics.wait(flags, CHANGED, changed, sleepMs);
}
