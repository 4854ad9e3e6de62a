import { createCanvas } from '@napi-rs/canvas';
import {
  Chart,
  type ChartConfiguration,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  ScatterController,
} from 'chart.js';
import { registerChartFont } from './font.js';
import { dark, light, type Palette } from './palette.js';

Chart.register(LineController, ScatterController, LineElement, PointElement, LinearScale, LogarithmicScale, Legend);

/** One picture in both themes, as PNG data URIs. Sizes in CSS pixels; the picture has twice as many in each direction. */
export interface Picture {
  light: string;
  dark: string;
  width: number;
  height: number;
}

const PIXELS_PER_CSS_PIXEL = 2;

/** Draws a chart without a browser, once for light and once for dark paper. */
export function draw(height: number, configure: (palette: Palette) => ChartConfiguration, width = 880): Picture {
  registerChartFont();
  const one = (palette: Palette): string => {
    const canvas = createCanvas(width, height);
    // chart.js asks for a browser's canvas; this one draws the same.
    const context = canvas.getContext('2d') as any;
    const chart = new Chart(context, configure(palette));
    const png = canvas.toBuffer('image/png');
    chart.destroy();
    return `data:image/png;base64,${png.toString('base64')}`;
  };
  return { light: one(light), dark: one(dark), width, height };
}

export const devicePixelRatio = PIXELS_PER_CSS_PIXEL;
