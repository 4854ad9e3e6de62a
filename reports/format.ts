/** Numbers for people: grouped thousands, three significant digits, a unit. A dash stands for what was not measured. */
export const NOT_MEASURED = '–';

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function count(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? NOT_MEASURED : grouped.format(value);
}

/** Three significant digits below 100, whole above: 0.123, 1.23, 12.3, 123, 1,234. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return NOT_MEASURED;
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 99.95) return grouped.format(value);
  if (size >= 9.995) return value.toFixed(1);
  if (size >= 0.01) return value.toFixed(2);
  return Number(value.toPrecision(2)).toString();
}

/** Whole numbers as they are, others with three digits: for rates and seconds, which are often round. */
export function number(value: number): string {
  return Number.isInteger(value) ? count(value) : digits(value);
}

/** Microseconds as milliseconds without the unit, for columns whose head says `ms`. */
export function ms(us: number | null | undefined): string {
  return us === null || us === undefined ? NOT_MEASURED : digits(us / 1000);
}

/** Microseconds with the unit that suits them: `850 µs`, `34.2 ms`, `12.3 s`. */
export function duration(us: number | null | undefined): string {
  if (us === null || us === undefined || !Number.isFinite(us)) return NOT_MEASURED;
  const size = Math.abs(us);
  if (size > 0 && size < 1000) return `${digits(us)} µs`;
  if (size < 10_000_000) return `${digits(us / 1000)} ms`;
  return `${digits(us / 1_000_000)} s`;
}

/** Seconds as `45 s`, `3 min 20 s`, `2 h 5 min`. */
export function seconds(value: number): string {
  const whole = Math.round(Math.abs(value));
  const sign = value < 0 ? '−' : '';
  if (whole < 120) return `${sign}${Math.abs(value) < 10 ? number(Math.abs(value)) : whole} s`;
  if (whole < 7200) return `${sign}${Math.floor(whole / 60)} min${whole % 60 === 0 ? '' : ` ${whole % 60} s`}`;
  const minutes = Math.round(whole / 60);
  return `${sign}${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`;
}

export function rate(perSec: number | null | undefined): string {
  return perSec === null || perSec === undefined ? NOT_MEASURED : `${number(perSec)}/s`;
}

export function share(value: number | null | undefined): string {
  return value === null || value === undefined ? NOT_MEASURED : `${digits(value * 100)} %`;
}

/** A change against a baseline, with its sign: `+9.1 %`. */
export function change(now: number, before: number): string {
  if (before === 0) return NOT_MEASURED;
  const value = ((now - before) / before) * 100;
  if (Math.abs(value) < 0.05) return '±0 %';
  return `${value > 0 ? '+' : '−'}${digits(Math.abs(value))} %`;
}

export type Unit = 'us' | 'share' | 'perSec' | 'count';

export function inUnit(value: number | null, unit: Unit): string {
  if (value === null) return NOT_MEASURED;
  if (unit === 'us') return duration(value);
  if (unit === 'share') return share(value);
  return unit === 'perSec' ? rate(value) : count(value);
}

/** A margin against a limit, negative when it was missed. */
export function margin(value: number | null): string {
  if (value === null) return NOT_MEASURED;
  return value < 0 ? `−${share(-value)}` : share(value);
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let index = 0;
  while (size >= 1024 && index < units.length - 1) {
    size /= 1024;
    index++;
  }
  return `${digits(size)} ${units[index]}`;
}

/** `2026-03-01 12:34:56 UTC`; what is not a date stays as it is. */
export function wallClock(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `1 message`, `2 messages`. */
export function plural(number: number, noun: string, many = `${noun}s`): string {
  return `${count(number)} ${number === 1 ? noun : many}`;
}
