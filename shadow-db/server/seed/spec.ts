import { SeedError } from './errors.js';

/**
 * token: `m_` and 22 characters. email: `<token>@masked.invalid`. digits, phone: other digits in the same places. card: the same, valid
 * by its check digit. name: two words. text: e-mail addresses, phone, card and identity numbers within a text.
 * All but `name` are the tokens of recordings.
 */
export const maskKinds = ['token', 'email', 'digits', 'phone', 'card', 'name', 'text'] as const;
export type MaskKind = (typeof maskKinds)[number];

export interface Mask {
  kind: MaskKind;
  /** Columns of one domain get the same token for the same value; default: the domain of recordings. */
  domain?: string;
}

/** Which real rows a shadow table begins with, and what becomes of them. */
export interface Seed {
  /** Condition on the real table; no ordering, no second statement. Default: every row. */
  where?: string;
  /** A share such as `5%`, or how many rows. Chosen by a hash of the key: the same rows each time, and more hold the fewer. */
  sample?: string | number;
  /** Rows of tables that are not named here, but refer to a chosen row, come along. Default false. */
  children?: boolean;
  /**
   * Shifts ids, so that copied identities lie in the shadow range: one number for the key, or one per integer column. `reserved`: so far
   * that they begin where the reserved range of the AUTO_INCREMENT column begins. Columns that refer to a shifted one are shifted alike.
   */
  idOffset?: number | 'reserved' | Record<string, number | 'reserved'>;
  /** Fixed values in place of what the real row holds: what must not be copied, such as PINs. */
  set?: Record<string, string | number | null>;
  /** Columns whose values are replaced by keyed tokens. Columns that refer to a masked one are masked alike. */
  mask?: Record<string, MaskKind | Mask>;
}

export type Sample = { kind: 'share'; threshold: number } | { kind: 'count'; rows: number };

/** Hash values of rows lie below this. */
export const hashLimit = 2 ** 32;

/** Throws SeedError. `threshold`: rows whose hash is below it are taken. */
export function parseSample(table: string, sample: string | number): Sample {
  const share = typeof sample === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(sample)?.[1] : undefined;
  if (share !== undefined && Number(share) > 0 && Number(share) <= 100) {
    return { kind: 'share', threshold: Math.max(1, Math.round((Number(share) / 100) * hashLimit)) };
  }
  const rows = typeof sample === 'number' || /^\s*\d+\s*$/.test(sample) ? Number(sample) : Number.NaN;
  if (Number.isSafeInteger(rows) && rows > 0) return { kind: 'count', rows };
  throw new SeedError(
    'SEED_SPEC',
    `sample of ${table} is ${JSON.stringify(sample)}: it must be a share above 0 % up to 100 %, or a number of rows above 0`,
  );
}

export function maskOf(table: string, column: string, mask: MaskKind | Mask): Required<Mask> {
  const { kind, domain = '' } = typeof mask === 'string' ? { kind: mask } : mask;
  if (!maskKinds.includes(kind) || typeof domain !== 'string') {
    throw new SeedError(
      'SEED_SPEC',
      `mask of ${table}.${column} is ${JSON.stringify(mask)}: kinds are ${maskKinds.join(', ')}`,
    );
  }
  return { kind, domain };
}
