import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GlobalFonts } from '@napi-rs/canvas';

/** A machine without fonts draws no text at all, so charts bring theirs (Inter, OFL 1.1, reports/fonts/OFL.txt). */
export const CHART_FONT = 'Shadowline Inter';

/** Seen from the compiled file in dist/reports/charts and from the source. */
const PLACES = ['../../../reports/fonts/', '../fonts/'];
let registered = false;

export function registerChartFont(): void {
  if (registered) return;
  for (const file of ['inter-latin-400-normal.woff2', 'inter-latin-600-normal.woff2']) {
    const paths = PLACES.map((place) => fileURLToPath(new URL(place + file, import.meta.url)));
    const path = paths.find((candidate) => existsSync(candidate));
    if (path === undefined)
      throw new Error(`The charts' font is missing: ${paths.join(' or ')}. Install Shadowline again.`);
    GlobalFonts.registerFromPath(path, CHART_FONT);
  }
  registered = true;
}
