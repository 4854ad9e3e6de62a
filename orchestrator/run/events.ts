import type { SeriesPoint } from '../result/schema.js';

export type Phase = 'preflight' | 'baseline' | 'load' | 'drain' | 'leak-check' | 'report' | 'clean-up';

/** What a run tells while it goes on. */
export type RunEvent =
  | { kind: 'phase'; phase: Phase; text: string }
  | {
      kind: 'second';
      point: SeriesPoint;
      step?: { index: number; of: number; label: string };
      /** Until the load ends by its schedule. */
      secondsLeft: number;
      leaks: number;
    }
  | { kind: 'note'; text: string };
