const hints = {
  SEED_SPEC: 'Correct the seed of this table.',
  SEED_KEY: 'Give the masking key that recordings are made with (SHADOWLINE_MASK_KEY).',
  SEED_RANGE: 'Choose a smaller idOffset, or widen the column.',
  SEED_NO_KEY: 'Give the table a primary key or a unique key without NULL, or leave it out of the seed.',
  SEED_CHANGED:
    'Seed with `onChanged: restart` (the seeded tables are emptied and filled anew), or put back what was changed.',
  SEED_BUSY: 'Wait until the other seeder has ended, or end it.',
  SEED_LOCKED:
    'End the transactions that hold locks on the shadow tables, and seed again: it goes on where it stopped.',
  SEED_CONNECTION: 'Seed again: it goes on where it stopped.',
  SEED_POOL: 'Give the seeder a connection of its own, not a pool.',
  SEED_RIGHTS: 'Give the account SELECT on the real tables, and all rights on the shadow tables.',
  SEED_TABLE_GONE: 'Plan again: the tables have changed since.',
  SEED_DUPLICATE:
    'Mask this column by a kind that keeps values apart (token, email, digits), or clean the shadow table first.',
  SEED_VALUE: 'Look at the row and the column; where: may leave it out.',
  SEED_PACKET: 'Raise max_allowed_packet on the server, or leave the row out with where.',
  SEED_LOAD: 'Seed again when the servers are less busy: it goes on where it stopped.',
  SEED_ABORTED: 'Seed again: it goes on where it stopped.',
} as const;

export type SeedErrorCode = keyof typeof hints;

/** Seeding that cannot be planned, or that stopped. What was committed stays, and the next seeding goes on from there. */
export class SeedError extends Error {
  override name = 'SeedError';
  readonly code: SeedErrorCode;

  constructor(code: SeedErrorCode, detail: string, cause?: unknown) {
    super(`${code}: ${detail}. ${hints[code]}`, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** What drivers of MySQL put on their errors. */
export function errnoOf(error: unknown): number | undefined {
  const { errno } = error as { errno?: unknown };
  return typeof errno === 'number' && errno > 0 ? errno : undefined;
}
