import { describe, expect, it } from '@jest/globals';
import type { SeriesPoint } from '../orchestrator/result/schema.js';
import type { RunEvent } from '../orchestrator/run/events.js';
import { startLive } from './live.js';

const point = (over: Partial<SeriesPoint> = {}): SeriesPoint => ({
  version: 1,
  tS: 12,
  phase: 'load',
  stepIndex: 1,
  offered: 200,
  started: 200,
  completed: 199,
  errors: 1,
  dropped: 0,
  inFlight: 12,
  p50Us: 4200,
  p95Us: 9000,
  p99Us: 21_000,
  latenessP99Us: 400,
  realCount: 40,
  realErrors: 0,
  realP50Us: 9000,
  realP99Us: 18_000,
  ...over,
});
const second = (over: Partial<SeriesPoint> = {}): RunEvent => ({
  kind: 'second',
  point: point(over),
  step: { index: 1, of: 3, label: 'hold 200/s' },
  secondsLeft: 65,
  leaks: 0,
});

/** A terminal of so many columns that keeps what is on it: enough of ANSI to follow up, clear line, clear below. */
class Screen {
  readonly isTTY = true;
  readonly columns: number;
  lines: string[] = [''];
  #row = 0;
  constructor(columns: number) {
    this.columns = columns;
  }
  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what a terminal reads
    for (const token of text.match(/\x1b\[\d*[A-Za-z]|[\n\r]|[^\x1b\n\r]+/g) ?? []) {
      if (/^.\[\d+A$/.test(token)) this.#row -= Number(token.slice(2, -1));
      else if (token === '\x1b[2K') this.lines[this.#row] = '';
      else if (token === '\x1b[0J') this.lines.length = this.#row + 1;
      else if (token === '\n') this.lines[++this.#row] ??= '';
      else if (token !== '\r' && !token.startsWith('\x1b')) this.lines[this.#row] += token;
    }
  }
}

describe('a terminal', () => {
  it('has one screen that is redrawn in place, within 80 columns', () => {
    const screen = new Screen(200);
    const live = startLive(screen, { quiet: false, name: 'payday', env: { NO_COLOR: '1' } });
    live.onProgress({ kind: 'phase', phase: 'baseline', text: 'real users for 10 s' });
    live.onProgress(second({ phase: 'baseline', tS: -1, realP99Us: 16_000 }));
    live.onProgress({ kind: 'phase', phase: 'load', text: 'load' });
    for (let tS = 0; tS < 20; tS++) live.onProgress(second({ tS }));
    live.end();
    expect(screen.lines).toEqual([
      'baseline: real users for 10 s',
      'load: load',
      'payday · load · step 2 of 3: hold 200/s · 1 min 5 s left',
      '  requests    offered 200/s         achieved 199/s        in flight 12',
      '  response    p50 4.20 ms           p95 9.00 ms           p99 21.0 ms',
      '  errors      21                    0.50 %',
      '  real users  p99 18.0 ms           baseline 16.0 ms      40/s, 0 errors',
      '  leaks       0                     lateness p99 0.40 ms  t 19 s',
      '',
    ]);
    expect(Math.max(...screen.lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('cuts lines in a narrow window, so that redrawing stays right', () => {
    const screen = new Screen(40);
    const live = startLive(screen, { quiet: false, name: 'a-name-that-is-rather-long', env: { NO_COLOR: '1' } });
    for (let tS = 0; tS < 3; tS++) live.onProgress(second({ tS }));
    expect(screen.lines).toHaveLength(7);
    expect(screen.lines[0]).toHaveLength(40);
  });

  it('has colours only where they are wanted', () => {
    const written = (env: NodeJS.ProcessEnv) => {
      let all = '';
      const output = { isTTY: true, columns: 80, write: (text: string) => (all += text) };
      startLive(output, { quiet: false, name: 'x', env }).onProgress(second());
      return all;
    };
    expect(written({ TERM: 'xterm' })).toContain('\x1b[1m');
    expect(written({ TERM: 'xterm', NO_COLOR: '1' })).not.toContain('\x1b[1m');
  });
});

describe('without a terminal', () => {
  const linesOf = (events: RunEvent[], env: NodeJS.ProcessEnv = {}): string[] => {
    const lines: string[] = [];
    const live = startLive({ write: (text: string) => lines.push(text) }, { quiet: false, name: 'x', env });
    for (const event of events) live.onProgress(event);
    live.end();
    return lines;
  };

  it('there is one line for five seconds, and no escape sequence', () => {
    const lines = linesOf(Array.from({ length: 12 }, (_, tS) => second({ tS, offered: 100 + tS })));
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe(
      'load 4s step 2/3 hold 200/s, offered 102/s, achieved 199/s, in flight 12, p50 4.20 ms p99 21.0 ms, errors 5, real p99 18.0 ms (baseline –), leaks 0, lateness p99 0.40 ms, 1 min 5 s left\n',
    );
    expect(lines.join('')).not.toContain('\x1b');
  });

  it('phases and notes are told at once, after what came before them', () => {
    const lines = linesOf([
      second(),
      { kind: 'note', text: 'stopping' },
      { kind: 'phase', phase: 'drain', text: 'draining' },
    ]);
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['load', 'note:', 'drain:']);
  });

  it('a second without samples has no figures', () => {
    const [line] = linesOf([
      second({ p50Us: null, p99Us: null, realCount: null, realP99Us: null, latenessP99Us: null }),
    ]);
    expect(line).toContain('p50 – p99 –');
    expect(line).toContain('real users not heard');
  });
});

it('says nothing when it shall be quiet', () => {
  const live = startLive({ isTTY: true, write: () => expect(true).toBe(false) }, { quiet: true, name: 'x' });
  live.onProgress(second());
  live.end();
});
