import { encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

/**
 * A histogram in the HdrHistogram log format, version 1.3, with one interval: any HdrHistogram tool reads it. Values are microseconds; the maximum
 * in the third column is in milliseconds, as the format's own tools write it.
 */
export function histogramLog(histogram: Histogram, startedAtMs: number, durationS: number): string {
  const max = histogram.totalCount === 0 ? 0 : histogram.maxValue / 1000;
  return [
    '#[Logged by Shadowline; values are microseconds]',
    '#[Histogram log format version 1.3]',
    `#[StartTime: ${(startedAtMs / 1000).toFixed(3)} (seconds since epoch), ${new Date(startedAtMs).toISOString()}]`,
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    `0.000,${durationS.toFixed(3)},${max.toFixed(3)},${encodeIntoCompressedBase64(histogram)}`,
    '',
  ].join('\n');
}
