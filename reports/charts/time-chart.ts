import type { Chart, LegendItem } from 'chart.js';
import type { Step } from '../../orchestrator/result/schema.js';
import { downsample, type Point } from '../downsample.js';
import { number } from '../format.js';
import { bands, type Limit, limits, paper } from './bands.js';
import { devicePixelRatio, draw, type Picture } from './draw.js';
import { CHART_FONT } from './font.js';
import type { Palette } from './palette.js';

export interface Line {
  label: string;
  colour: keyof Palette;
  dash: number[];
  width?: number;
  points: Point[];
}

export interface TimeChart {
  /** What the vertical axis measures, with its unit. */
  axis: string;
  lines: Line[];
  steps: readonly Step[];
  limits?: Limit[];
  height?: number;
}

export function timeChart({ axis, lines, steps, limits: marks = [], height = 260 }: TimeChart): Picture {
  const values = lines.flatMap((line) => line.points.flatMap(({ y }) => (y === null ? [] : [y])));
  const highest = values.reduce((max, value) => Math.max(max, value), 0);
  const typical = values.length === 0 ? 0 : [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
  const logarithmic = typical > 0 && highest / typical > 60 && values.every((value) => value > 0);
  const shown = marks.filter(({ y }) => y <= highest * 3 || values.length === 0);
  const top = shown.reduce((max, { y }) => Math.max(max, y), highest);
  const drawn = lines.map((line) => ({ ...line, points: downsample(line.points) }));
  return draw(height, (palette) => ({
    type: 'line',
    data: { datasets: drawn.map((line) => dataset(line, palette)) },
    options: {
      ...base(palette),
      scales: {
        x: {
          ...axisStyle(palette),
          type: 'linear',
          ...span(drawn, steps),
          ticks: { ...ticks(palette), includeBounds: false, callback: clock },
        },
        y: {
          ...axisStyle(palette),
          type: logarithmic ? 'logarithmic' : 'linear',
          ...(logarithmic ? {} : { beginAtZero: true, suggestedMax: top * 1.18 || 1 }),
          title: {
            display: true,
            text: logarithmic ? `${axis}, log scale` : axis,
            color: palette.muted,
            font: font(12),
          },
          ticks: { ...ticks(palette), maxTicksLimit: 6, callback: plain },
        },
      },
    },
    plugins: [paper(palette), bands(steps, palette), limits(shown, palette)],
  }));
}

export interface ScatterGroup {
  label: string;
  colour: keyof Palette;
  shape: 'circle' | 'crossRot' | 'triangle';
  points: Point[];
}

/** Latency over rate: where the knee is. */
export function rateChart(groups: ScatterGroup[], path: Point[], axis: string, marks: Limit[]): Picture {
  const highest = path.reduce((max, { y }) => Math.max(max, y ?? 0), 0);
  const shown = marks.filter(({ y }) => y <= highest * 4);
  const top = shown.reduce((max, { y }) => Math.max(max, y), highest);
  return draw(300, (palette) => ({
    type: 'scatter',
    data: {
      datasets: [
        ...groups.map((group) => ({
          type: 'scatter' as const,
          label: group.label,
          data: group.points as { x: number; y: number }[],
          pointStyle: group.shape,
          pointRadius: 7,
          borderWidth: 2.5,
          borderColor: palette[group.colour],
          backgroundColor: group.shape === 'circle' ? palette[group.colour] : palette.background,
        })),
        dataset({ label: '', colour: 'muted', dash: [3, 3], width: 1, points: path }, palette),
      ],
    },
    options: {
      ...base(palette),
      plugins: { legend: legend(palette, 'point') },
      scales: {
        x: {
          ...axisStyle(palette),
          beginAtZero: true,
          grace: '5%',
          title: { display: true, text: 'achieved rate, requests/s', color: palette.muted, font: font(12) },
          ticks: { ...ticks(palette), callback: plain },
        },
        y: {
          ...axisStyle(palette),
          beginAtZero: true,
          suggestedMax: top * 1.1 || 1,
          title: { display: true, text: axis, color: palette.muted, font: font(12) },
          ticks: { ...ticks(palette), maxTicksLimit: 6, callback: plain },
        },
      },
    },
    plugins: [paper(palette), limits(shown, palette)],
  }));
}

function dataset({ label, colour, dash, width = 2, points }: Line, palette: Palette) {
  return {
    type: 'line' as const,
    label,
    // null makes a gap; the types do not know.
    data: points as { x: number; y: number }[],
    borderColor: palette[colour],
    backgroundColor: palette[colour],
    borderDash: dash,
    borderWidth: width,
    // A second between two gaps is a dot, or it would not be seen.
    pointRadius: points.map((_, i) => (hasValue(points[i - 1]) || hasValue(points[i + 1]) ? 0 : 2.5)),
    pointStyle: 'line' as const,
    spanGaps: false,
  };
}

function base(palette: Palette) {
  return {
    animation: false as const,
    responsive: false,
    devicePixelRatio,
    layout: { padding: { top: 4, right: 18, bottom: 4, left: 4 } },
    parsing: false as const,
    plugins: { legend: legend(palette) },
  };
}

/** The legend shows each line with its dashes, which chart.js leaves out by itself when it draws points' signs. */
function legend(palette: Palette, shape: 'line' | 'point' = 'line') {
  return {
    display: true,
    align: 'start' as const,
    labels: {
      usePointStyle: true,
      boxHeight: 8,
      padding: 16,
      color: palette.ink,
      font: font(12),
      ...(shape === 'line' && { pointStyleWidth: 34, generateLabels: dashedLabels }),
      filter: ({ text }: { text: string }) => text !== '',
    },
  };
}

function dashedLabels(chart: Chart): LegendItem[] {
  return chart.data.datasets.map((line, datasetIndex) => ({
    text: line.label ?? '',
    datasetIndex,
    pointStyle: 'line',
    strokeStyle: line.borderColor as string,
    lineWidth: line.borderWidth as number,
    lineDash: (line as { borderDash?: number[] }).borderDash ?? [],
    fontColor: chart.legend?.options.labels?.color as string,
  }));
}

const font = (size: number) => ({ family: `"${CHART_FONT}", sans-serif`, size });
const ticks = (palette: Palette) => ({ color: palette.muted, font: font(11), maxRotation: 0 });
const axisStyle = (palette: Palette) => ({ grid: { color: palette.grid }, border: { color: palette.grid } });

function span(lines: Line[], steps: readonly Step[]): { min?: number; max?: number } {
  const xs = lines.flatMap((line) => (line.points.length === 0 ? [] : [line.points[0]!.x, line.points.at(-1)!.x]));
  const all = [...xs, ...steps.map((step) => step.fromS)];
  return all.length === 0 ? {} : { min: Math.min(...all), max: Math.max(...all) };
}

const hasValue = (point: Point | undefined): boolean => point !== undefined && point.y !== null;

/** Ticks are round, but for the last bit of their sums. */
function plain(value: string | number): string {
  return number(Number(Number(value).toPrecision(6)));
}

/** Ticks over time: `45 s` within two minutes, `1:30` after. */
function clock(value: string | number): string {
  const s = Number(value);
  const sign = s < 0 ? '−' : '';
  const whole = Math.abs(Math.round(s));
  if (whole < 120) return `${sign}${whole} s`;
  return `${sign}${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
