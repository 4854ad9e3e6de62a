import type { Schedule, Think } from '../engine.js';
import { dueOfNth, planStages, type StagePlan, type Step, stepOfNth } from './schedule.js';
import { type Slots, slotOf } from './slots.js';

/** Clones start within this much replay time after the session they copy. */
export const JITTER_US = 2_000_000;

/** How one worker turns its records, in order, into times. */
export interface Timing {
  /** Order of a record within a pass over the recording, in recorded µs, from its time and its session's first. */
  orderUs(tUs: number, firstUs: number): number;
  /** A record with a later time may come before one that was already read: everything has to be read first. */
  readonly readsAll: boolean;
  /** Due as soon as the session's previous request has ended. */
  readonly chained: boolean;
  /** Play the recording again when it ends. */
  readonly repeats: boolean;
  /** Recorded µs in which clones start. */
  readonly jitterUs: number;
  /** Time of this worker's next request in order; undefined when the schedule is over. Takes one request from the schedule. */
  next(orderUs: number): { dueUs: number; step: number } | undefined;
}

/** `due = (t − t₀) / speed`, with the think times of a session scaled. */
export function recordedTiming(schedule: Schedule, think: Think): Timing {
  const factor = think.kind === 'factor' ? think.factor : think.kind === 'none' ? 0 : 1;
  return {
    orderUs: (tUs, firstUs) => firstUs + (tUs - firstUs) * factor,
    readsAll: factor < 1,
    chained: think.kind === 'none',
    repeats: false,
    jitterUs: JITTER_US * schedule.speed,
    next: (orderUs) => ({ dueUs: orderUs / schedule.speed, step: 0 }),
  };
}

/** The k-th request takes the worker's k-th slot of the plan. `recordedPerUs` is what the whole recording holds, with clones. */
export function stagedTiming(plan: StagePlan, slots: Slots, recordedPerUs: number): Timing {
  let k = 0;
  const meanPerUs = plan.requests / plan.durationUs;
  return {
    orderUs: (tUs) => tUs,
    readsAll: false,
    chained: false,
    repeats: true,
    jitterUs: recordedPerUs > 0 ? (JITTER_US * meanPerUs) / recordedPerUs : 0,
    next: () => {
      const n = slotOf(slots, k++);
      if (n >= plan.requests) return undefined;
      const step = stepOfNth(plan, n);
      return { dueUs: dueOfNth(plan, n, step), step };
    },
  };
}

/** The steps of a result: those of the stages, or one for the recorded schedule. */
export function stepsOf(schedule: Schedule, recordedUs: number): Step[] {
  if (schedule.kind === 'stages') return planStages(schedule.stages).steps;
  const toUs = recordedUs / schedule.speed;
  return [
    {
      index: 0,
      label: schedule.speed === 1 ? 'as recorded' : `as recorded, speed ${schedule.speed}`,
      kind: 'recorded',
      fromUs: 0,
      toUs,
      fromN: 0,
      ratePerUs: 0,
      endRatePerUs: 0,
    },
  ];
}
