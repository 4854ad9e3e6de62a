import type { CompletenessReport, MadeRecording } from '../orchestrator/recording/index.js';
import { note, print } from './terminal.js';

/** What `stress record` and `stress import` print about a recording that was made. */
export function printMade({ manifest, completeness }: MadeRecording, out: string, json: boolean): void {
  if (json) {
    print(JSON.stringify({ out, manifest, completeness }));
    return;
  }
  const { records, sessions, fromUs, toUs, shards } = manifest;
  const lines = [`${out}: ${count(records, 'request')} of ${count(sessions, 'session')} in ${count(shards, 'shard')}`];
  if (records > 0) lines.push(`from ${time(fromUs)} to ${time(toUs)} (${duration((toUs - fromUs) / 1e6)})`);
  lines.push(...completenessLines(completeness));
  const other = manifest.notes.filter((line) => line.includes('pauses'));
  print([...lines, ...other].join('\n'));
  if (records === 0) note('The recording is empty: there is nothing to replay.');
}

/** What was read, what is there, why the rest is not. */
export function completenessLines(report: CompletenessReport): string[] {
  const { read, written, outsideWindow, dropped, recorderDropped, segments, notClosed, missingSegments } = report;
  const from = segments > 0 ? ` from ${count(segments, 'segment')}` : '';
  const lines = [`read ${read}${from}, written ${written}, left out ${read - written}`];
  if (outsideWindow > 0) lines.push(`  ${outsideWindow}  outside of the time window`);
  for (const { reason, count: times, where } of dropped) {
    lines.push(`  ${times}  ${reason}`);
    for (const place of where.slice(0, 5)) lines.push(`       ${place}`);
    if (times > Math.min(5, where.length)) lines.push(`       … ${times - Math.min(5, where.length)} more`);
  }
  if (recorderDropped > 0) lines.push(`not recorded by the recorder itself: ${recorderDropped}`);
  for (const segment of notClosed) lines.push(`not closed in order: ${segment}`);
  for (const segment of missingSegments) lines.push(`missing: ${segment}`);
  return lines;
}

export function time(us: number): string {
  return new Date(us / 1000).toISOString();
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return parts.flatMap((n, i) => (n > 0 ? [`${n} ${['h', 'min', 's'][i]}`] : [])).join(' ');
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
