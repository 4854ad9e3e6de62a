import type { Plugin } from 'chart.js';
import type { Step } from '../../orchestrator/result/schema.js';
import { oneLine } from '../text.js';
import { CHART_FONT } from './font.js';
import type { Palette } from './palette.js';

/**
 * The steps behind a chart over time: holds tinted, ramps hatched, each with its label when there is room for it; and horizontal limits as
 * dashed lines with their text.
 */
export interface Limit {
  y: number;
  text: string;
  /** A `reference` is only for comparison and has other dashes and no alarming colour. */
  kind?: 'limit' | 'reference';
}

export function paper(palette: Palette): Plugin {
  return {
    id: 'paper',
    beforeDraw({ ctx, width, height }) {
      ctx.save();
      ctx.fillStyle = palette.background;
      ctx.fillRect(0, 0, width, height);
      ctx.restore();
    },
  };
}

export function bands(steps: readonly Step[], palette: Palette): Plugin {
  return {
    id: 'bands',
    beforeDatasetsDraw(chart) {
      const { ctx, chartArea: area } = chart;
      const scale = chart.scales.x!;
      const at = (s: number): number => Math.min(area.right, Math.max(area.left, scale.getPixelForValue(s)));
      for (const step of steps) {
        const left = at(step.fromS);
        const right = at(step.toS);
        if (right - left < 1) continue;
        ctx.save();
        ctx.beginPath();
        ctx.rect(left, area.top, right - left, area.bottom - area.top);
        ctx.clip();
        if (step.kind === 'ramp') hatch(ctx, left, right, area.top, area.bottom, palette);
        else {
          ctx.fillStyle = palette.band;
          ctx.globalAlpha = step.index % 4 < 2 ? 1 : 0.6;
          ctx.fillRect(left, area.top, right - left, area.bottom - area.top);
          ctx.globalAlpha = 1;
          label(ctx, oneLine(step.label, 60), left, right, area.top, palette);
        }
        ctx.restore();
      }
    },
  };
}

function hatch(ctx: any, left: number, right: number, top: number, bottom: number, palette: Palette): void {
  ctx.strokeStyle = palette.hatch;
  ctx.lineWidth = 1;
  const height = bottom - top;
  for (let x = left - height; x < right; x += 8) {
    ctx.beginPath();
    ctx.moveTo(x, bottom);
    ctx.lineTo(x + height, top);
    ctx.stroke();
  }
}

function label(ctx: any, text: string, left: number, right: number, top: number, palette: Palette): void {
  ctx.font = `11px "${CHART_FONT}", sans-serif`;
  ctx.fillStyle = palette.muted;
  if (ctx.measureText(text).width > right - left - 8) return;
  ctx.fillText(text, left + 6, top + 14);
}

export function limits(lines: readonly Limit[], palette: Palette): Plugin {
  return {
    id: 'limits',
    afterDatasetsDraw(chart) {
      const { ctx, chartArea: area } = chart;
      for (const { y, text, kind = 'limit' } of lines) {
        const colour = kind === 'limit' ? palette.red : palette.muted;
        const pixel = chart.scales.y!.getPixelForValue(y);
        if (!Number.isFinite(pixel) || pixel < area.top || pixel > area.bottom) continue;
        ctx.save();
        ctx.strokeStyle = colour;
        ctx.lineWidth = 1.5;
        ctx.setLineDash(kind === 'limit' ? [10, 4, 2, 4] : [4, 4]);
        ctx.beginPath();
        ctx.moveTo(area.left, pixel);
        ctx.lineTo(area.right, pixel);
        ctx.stroke();
        ctx.font = `600 11px "${CHART_FONT}", sans-serif`;
        const words = oneLine(text, 80);
        const width = ctx.measureText(words).width;
        const baseline = pixel - area.top > 34 ? pixel - 6 : pixel + 15;
        ctx.fillStyle = palette.background;
        ctx.globalAlpha = 0.7;
        ctx.fillRect(area.left + 4, baseline - 11, width + 6, 15);
        ctx.globalAlpha = 1;
        ctx.fillStyle = colour;
        // At the left, where the load is lowest and the curves are, as a rule, far away.
        ctx.fillText(words, area.left + 7, baseline);
        ctx.restore();
      }
    },
  };
}
