import type { TransformSpec } from '../../engine.js';
import { changeField, parseField } from './field.js';
import type { Count, Transform } from './transform.js';

/**
 * Identities move into the shadow id range: out = from + (in + clone) mod (to − from + 1), both ends inclusive. The same identity becomes the same one
 * everywhere, so that joins between requests survive; a clone is another user.
 */
export function identityTransform(spec: Extract<TransformSpec, { kind: 'identity' }>, count: Count): Transform {
  const field = parseField(spec.field);
  return {
    apply(request, { session }) {
      const outcome = changeField(request, field, (value) => mapIdentity(value, spec.from, spec.to, session.clone));
      if (outcome === 'unfit') count(`identity ${spec.field}: the value is not a whole number and stayed as recorded`);
    },
  };
}

/** Undefined when the value is not a whole number ≥ 0. Exact for any number of digits. */
export function mapIdentity(value: string, from: number, to: number, clone: number): string | undefined {
  if (!/^\d+$/.test(value)) return undefined;
  const size = to - from + 1;
  const plain = Number(value);
  if (Number.isSafeInteger(plain + clone)) return String(from + ((plain + clone) % size));
  return String(BigInt(from) + ((BigInt(value) + BigInt(clone)) % BigInt(size)));
}
