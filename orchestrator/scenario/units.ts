/**
 * Quantities as people write them: `250ms`, `200/s`, `64KiB`, `1.2x`, `5%`. A number without its unit is an error that shows the
 * right form: 30 could be seconds or milliseconds, and a load test that guesses wrongly hurts somebody.
 */
export class UnitError extends Error {
  readonly remedy: string;

  constructor(cause: string, remedy: string) {
    super(cause);
    this.remedy = remedy;
  }
}

interface Quantity {
  what: string;
  /** Factor of each unit to the first one of `forms`' base. */
  units: Record<string, number>;
  forms: string;
  /** The unit in the example for a bare number. */
  usual: string;
}

const duration: Quantity = {
  what: 'duration',
  units: { us: 0.001, µs: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 },
  forms: '250ms, 30s, 5m, 1h',
  usual: 's',
};
const rate: Quantity = {
  what: 'rate',
  units: { '/s': 1, '/m': 1 / 60, '/min': 1 / 60, '/h': 1 / 3600 },
  forms: '200/s, 30/m',
  usual: '/s',
};
const size: Quantity = {
  what: 'size',
  units: { B: 1, kB: 1000, KiB: 1024, MB: 1_000_000, MiB: 1_048_576, GB: 1_000_000_000, GiB: 1_073_741_824 },
  forms: '512B, 64KiB, 16MiB',
  usual: 'KiB',
};
const ratio: Quantity = { what: 'ratio', units: { x: 1 }, forms: '1.2x', usual: 'x' };
const share: Quantity = { what: 'share', units: { '%': 0.01 }, forms: '0.1%, 5%', usual: '%' };

const NUMBER = /^(\d+(?:\.\d+)?|\.\d+)\s*(.*)$/;

function parse(text: string, quantity: Quantity): number {
  const trimmed = text.trim();
  const article = `a ${quantity.what}`;
  if (trimmed.startsWith('-'))
    throw new UnitError(`${trimmed} is negative`, `${article} is zero or more: ${quantity.forms}`);
  const parts = NUMBER.exec(trimmed);
  if (parts === null)
    throw new UnitError(`${JSON.stringify(text)} is not ${article}`, `write ${article} like this: ${quantity.forms}`);
  const [, digits, unit] = parts as unknown as [string, string, string];
  if (unit === '')
    throw new UnitError(`${digits} has no unit`, `write ${digits}${quantity.usual} (${article}: ${quantity.forms})`);
  const factor = Object.hasOwn(quantity.units, unit) ? quantity.units[unit]! : undefined;
  if (factor === undefined) {
    const known = Object.keys(quantity.units).join(', ');
    throw new UnitError(`${JSON.stringify(unit)} is not a unit of ${article}`, `units are ${known}: ${quantity.forms}`);
  }
  const value = round(Number(digits) * factor);
  if (!Number.isFinite(value) || value > Number.MAX_SAFE_INTEGER)
    throw new UnitError(`${trimmed} is too large`, `write ${article} like this: ${quantity.forms}`);
  return value;
}

/** 0.1 % is 0.001, not 0.0010000000000000002. */
function round(value: number): number {
  return Number(value.toPrecision(15));
}

/** Milliseconds. @throws UnitError */
export const parseDurationMs = (text: string): number => parse(text, duration);
/** Per second. @throws UnitError */
export const parseRatePerSec = (text: string): number => parse(text, rate);
/** Bytes, whole. @throws UnitError */
export const parseSizeBytes = (text: string): number => Math.floor(parse(text, size));
/** Factor: `1.2x` is 1.2. @throws UnitError */
export const parseRatio = (text: string): number => parse(text, ratio);
/** 0…: `5%` is 0.05. @throws UnitError */
export const parseShare = (text: string): number => parse(text, share);
