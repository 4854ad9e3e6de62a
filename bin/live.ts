import type { SeriesPoint } from '../orchestrator/result/schema.js';
import type { RunEvent } from '../orchestrator/run/events.js';
import { isInteractive, paint } from './terminal.js';

type Second = Extract<RunEvent, { kind: 'second' }>;

export interface LiveOutput {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

export interface Live {
  onProgress(event: RunEvent): void;
  /** Leaves the last screen standing and the cursor below it. */
  end(): void;
}

/** Without a terminal: one line for so many seconds. */
const LINE_EVERY_S = 5;

/** Shows a run: one screen redrawn in place, or lines where there is no terminal, or nothing with `quiet`. */
export function startLive(
  output: LiveOutput,
  options: { quiet: boolean; name: string; env?: NodeJS.ProcessEnv },
): Live {
  if (options.quiet) return { onProgress: () => undefined, end: () => undefined };
  return isInteractive(output, options.env) ? startScreen(output, options) : startLines(output);
}

function startLines(output: LiveOutput): Live {
  const view = new LiveView();
  let sinceLine: Second[] = [];
  const flush = (): void => {
    if (sinceLine.length > 0) output.write(`${view.line(sinceLine)}\n`);
    sinceLine = [];
  };
  return {
    onProgress(event) {
      view.take(event);
      if (event.kind === 'second') {
        sinceLine.push(event);
        if (sinceLine.length >= LINE_EVERY_S) flush();
        return;
      }
      flush();
      output.write(`${event.kind === 'phase' ? `${event.phase}: ${event.text}` : `note: ${event.text}`}\n`);
    },
    end: flush,
  };
}

function startScreen(output: LiveOutput, options: { name: string; env?: NodeJS.ProcessEnv }): Live {
  const view = new LiveView();
  const { bold, dim, red, yellow } = paint(output, options.env);
  let drawn = 0;
  const draw = (above: string[]): void => {
    const width = Math.max(40, Math.min(80, output.columns ?? 80));
    const lines = view.screen(options.name, width).map(([style, text]) => {
      const cut = text.length > width ? `${text.slice(0, width - 1)}…` : text;
      return style === 'title'
        ? bold(cut)
        : style === 'bad'
          ? red(cut)
          : style === 'warn'
            ? yellow(cut)
            : style === 'dim'
              ? dim(cut)
              : cut;
    });
    // One write for all, so that nothing flickers: up to the first line, then each line cleared as it is written.
    const up = drawn > 0 ? `\x1b[${drawn}A\r` : '';
    output.write(`${up}${[...above, ...lines].map((line) => `\x1b[2K${line}\n`).join('')}\x1b[0J`);
    drawn = lines.length;
  };
  return {
    onProgress(event) {
      view.take(event);
      if (event.kind === 'second') draw([]);
      else draw([event.kind === 'phase' ? dim(`${event.phase}: ${event.text}`) : yellow(`note: ${event.text}`)]);
    },
    end: () => undefined,
  };
}

type Style = 'title' | 'text' | 'dim' | 'warn' | 'bad';

/** What is known of the run so far, and how it reads. Pure but for its memory. */
export class LiveView {
  #phase = 'start';
  #second: Second | undefined;
  #errors = 0;
  #dropped = 0;
  #completed = 0;
  readonly #baselineP99Us: number[] = [];

  take(event: RunEvent): void {
    if (event.kind === 'phase') this.#phase = event.phase;
    if (event.kind !== 'second') return;
    this.#second = event;
    const { point } = event;
    this.#errors += point.errors;
    this.#dropped += point.dropped;
    this.#completed += point.completed;
    if (point.phase === 'baseline' && point.realP99Us !== null) this.#baselineP99Us.push(point.realP99Us);
  }

  /** Median of the seconds before the load; null when there were none. */
  get baselineP99Us(): number | null {
    const sorted = [...this.#baselineP99Us].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }

  screen(name: string, width: number): [Style, string][] {
    const second = this.#second;
    const head = [name, this.#phase];
    if (second?.step !== undefined)
      head.push(`step ${second.step.index + 1} of ${second.step.of}: ${second.step.label}`);
    if (second !== undefined && second.secondsLeft > 0) head.push(`${clock(second.secondsLeft)} left`);
    const lines: [Style, string][] = [['title', head.join(' · ')]];
    if (second === undefined) return lines;
    const { point, leaks } = second;
    const errorShare = this.#completed === 0 ? 0 : this.#errors / this.#completed;
    const row = (label: string, ...cells: string[]): string =>
      `  ${label.padEnd(12)}${cells.map((cell) => cell.padEnd(Math.floor((width - 14) / 3))).join('')}`.trimEnd();
    lines.push(
      [
        'text',
        row('requests', `offered ${point.offered}/s`, `achieved ${point.completed}/s`, `in flight ${point.inFlight}`),
      ],
      ['text', row('response', `p50 ${ms(point.p50Us)}`, `p95 ${ms(point.p95Us)}`, `p99 ${ms(point.p99Us)}`)],
      [
        this.#errors > 0 ? 'warn' : 'text',
        row(
          'errors',
          `${this.#errors}`,
          `${(errorShare * 100).toFixed(2)} %`,
          this.#dropped > 0 ? `dropped ${this.#dropped}` : '',
        ),
      ],
      [
        'text',
        row(
          'real users',
          `p99 ${ms(point.realP99Us)}`,
          `baseline ${ms(this.baselineP99Us)}`,
          point.realCount === null ? 'not heard' : `${point.realCount}/s, ${point.realErrors ?? 0} errors`,
        ),
      ],
      [
        leaks > 0 ? 'bad' : 'text',
        row('leaks', `${leaks}`, `lateness p99 ${ms(point.latenessP99Us)}`, `t ${clock(point.tS)}`),
      ],
    );
    return lines;
  }

  /** The seconds since the last line in one. */
  line(seconds: readonly Second[]): string {
    const last = seconds.at(-1)!;
    const { point, step, secondsLeft, leaks } = last;
    const mean = (of: (point: SeriesPoint) => number): number =>
      Math.round(seconds.reduce((sum, one) => sum + of(one.point), 0) / seconds.length);
    const errors = seconds.reduce((sum, one) => sum + one.point.errors, 0);
    const real =
      point.realCount === null
        ? 'real users not heard'
        : `real p99 ${ms(point.realP99Us)} (baseline ${ms(this.baselineP99Us)})`;
    return [
      `${point.phase} ${point.tS}s${step === undefined ? '' : ` step ${step.index + 1}/${step.of} ${step.label}`}`,
      `offered ${mean((one) => one.offered)}/s`,
      `achieved ${mean((one) => one.completed)}/s`,
      `in flight ${point.inFlight}`,
      `p50 ${ms(point.p50Us)} p99 ${ms(point.p99Us)}`,
      `errors ${errors}`,
      real,
      `leaks ${leaks}`,
      `lateness p99 ${ms(point.latenessP99Us)}`,
      ...(secondsLeft <= 0 ? [] : [`${clock(secondsLeft)} left`]),
    ].join(', ');
  }
}

function ms(us: number | null): string {
  if (us === null) return '–';
  const value = us / 1000;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} ms`;
}

function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
