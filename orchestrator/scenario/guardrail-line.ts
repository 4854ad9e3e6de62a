import { Words } from './expression.js';
import type { Guardrail } from './scenario.js';
import { parseDurationMs, parseRatio, parseShare } from './units.js';

/**
 * The guardrail language, one a line. A guardrail says what must hold:
 *
 *     real p99 < 1.2x baseline for 10s          a factor of what was measured before the load
 *     real p99 < baseline + 50ms for 10s        or an addition to it
 *     real p99 < 400ms for 10s                  or an absolute limit
 *     real errors < baseline + 0.1% for 5s      (also 2x baseline, or 1%)
 *     generator lateness p99 < 5ms [for 5s]     marks steps generator-limited instead of aborting
 *
 * Without `for`, one second is enough.
 * @throws ExpressionError with the offset of the word that is wrong.
 */
export function parseGuardrail(source: string): Guardrail {
  const words = new Words(source, 'real p99 < 1.2x baseline for 10s');
  const subject = words.oneOf(['real', 'generator'] as const, 'whom it watches');
  let metric: Guardrail['metric'];
  if (subject === 'generator') {
    words.oneOf(['lateness'] as const, 'what is watched of the generator');
    metric = {
      kind: 'lateness',
      percentile:
        words.percentile() ??
        words.fail('a percentile is missing here', 'write it like this: generator lateness p99 < 5ms'),
    };
  } else {
    const percentile = words.percentile();
    if (percentile !== undefined) metric = { kind: 'latency', percentile };
    else metric = { kind: words.oneOf(['errors'] as const, 'what is watched of real users (p99, errors)') };
  }
  words.oneOf(['<'] as const, 'the comparison: a guardrail says what must hold');
  const limit = readLimit(
    words,
    metric.kind === 'errors' ? parseShare : (text) => parseDurationMs(text) * 1000,
    subject === 'real',
  );
  const forMs = words.take('for') ? words.quantity(parseDurationMs) : 0;
  words.end();
  return { source, subject, metric, limit, forMs, action: subject === 'real' ? 'abort' : 'mark' };
}

function readLimit(words: Words, read: (text: string) => number, hasBaseline: boolean): Guardrail['limit'] {
  const relative = (): void => {
    if (!hasBaseline)
      words.fail('the generator has no baseline', 'write it like this: generator lateness p99 < 5ms', 0);
  };
  if (words.take('baseline')) {
    relative();
    if (!words.take('+')) words.fail('"+" is missing here', 'write it like this: baseline + 0.1%, or 1.2x baseline');
    return { kind: 'plus', plus: words.quantity(read) };
  }
  if (/x$/.test(words.amount())) {
    const factor = words.quantity(parseRatio);
    relative();
    words.expect('baseline', 'real p99 < 1.2x baseline for 10s');
    return { kind: 'factor', factor };
  }
  if (hasBaseline && /^[\d.]+$/.test(words.amount())) {
    words.fail(
      `${words.amount()} has no unit`,
      `write ${words.amount()}x baseline, baseline + 50ms, or a limit with its unit`,
    );
  }
  return { kind: 'absolute', value: words.quantity(read) };
}
