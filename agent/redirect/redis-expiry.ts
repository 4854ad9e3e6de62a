import type { RedisText } from './redis-names.js';

const SECONDS = new Set(['EX', 'EXAT']);
const OPTIONS = new Set(['EX', 'PX', 'EXAT', 'PXAT']);

/**
 * Caps the expiry of SET among its options; one without gets it.
 * @returns whether the key has to be capped afterwards (KEEPTTL: the key may be new)
 */
export function capSet(args: RedisText[], maxTtlMs: number, nowMs: number): boolean {
  const option = capOption(args, 2, maxTtlMs, nowMs);
  if (option) return false;
  for (let i = 2; i < args.length; i++) if (word(args[i]) === 'KEEPTTL') return true;
  args.push('PX', String(maxTtlMs));
  return false;
}

/** Caps the expiry of SETEX, PSETEX, (P)EXPIRE, (P)EXPIREAT, GETEX. */
export function capExpiry(name: string, args: RedisText[], maxTtlMs: number, nowMs: number): void {
  switch (name) {
    case 'setex':
    case 'expire':
      capAt(args, 1, Math.floor(maxTtlMs / 1000));
      break;
    case 'psetex':
    case 'pexpire':
      capAt(args, 1, maxTtlMs);
      break;
    case 'expireat':
      capAt(args, 1, Math.floor((nowMs + maxTtlMs) / 1000));
      break;
    case 'pexpireat':
      capAt(args, 1, nowMs + maxTtlMs);
      break;
    case 'getex':
      capOption(args, 1, maxTtlMs, nowMs);
      break;
  }
}

function capOption(args: RedisText[], from: number, maxTtlMs: number, nowMs: number): boolean {
  for (let i = from; i < args.length - 1; i++) {
    const option = word(args[i]);
    if (!OPTIONS.has(option)) continue;
    const maxMs = option.endsWith('AT') ? nowMs + maxTtlMs : maxTtlMs;
    capAt(args, i + 1, SECONDS.has(option) ? Math.floor(maxMs / 1000) : maxMs);
    return true;
  }
  return false;
}

/** What is no number stays: the server reports it. */
function capAt(args: RedisText[], index: number, max: number): void {
  if (index < args.length && Number(args[index]) > max) args[index] = String(max);
}

export function word(arg: RedisText | undefined): string {
  return arg === undefined || arg.length > 16 ? '' : String(arg).toUpperCase();
}
