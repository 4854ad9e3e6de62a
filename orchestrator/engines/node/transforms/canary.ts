import type { TransformSpec } from '../../engine.js';
import { changeField, parseField } from './field.js';
import type { Count, Transform } from './transform.js';

/**
 * `<canary>-<clone>-<value>`: marks what the run wrote wherever it went, and keeps idempotency keys of clones apart. A JSON number cannot
 * carry it and stays as it is.
 */
export function canaryTransform(
  spec: Extract<TransformSpec, { kind: 'canary' }>,
  canary: string,
  placed: () => void,
  count: Count,
): Transform {
  const field = parseField(spec.field);
  return {
    apply(request, { session }) {
      const outcome = changeField(request, field, (value, isNumber) =>
        isNumber ? undefined : `${canary}-${session.clone}-${value}`,
      );
      if (outcome === 'set') placed();
      else if (outcome === 'unfit') count(`canary ${spec.field}: the value is not text and carries no canary`);
    },
  };
}
