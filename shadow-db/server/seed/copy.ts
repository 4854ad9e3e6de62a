import { Tokens } from '../../mask.js';
import { about, keyOf } from './choose.js';
import { SeedError } from './errors.js';
import { literals, seqOf } from './journal.js';
import { Pace } from './pace.js';
import type { CopiedColumn, SeedTable } from './plan.js';
import { textOf } from './text.js';
import type { Work } from './work.js';

type Row = Record<string, unknown>;

/** Chosen keys in one statement: below the 1000 at which MariaDB turns a list into a subquery. */
const mostKeys = 900;

/** Copies one table, from where its last seeder stopped. Each chunk and its entry in the journal are one transaction. */
export async function copyTable(work: Work, table: SeedTable, fingerprint: string): Promise<number> {
  const { journal } = work;
  const step = `copy ${table.key}`;
  const copier = new Copier(work, table);
  const isLarge = table.columns.some(({ model }) => work.sql.types.isLarge(model.type));
  const pace = new Pace(table.chosen ? { ...work.options, maxChunkRows: mostKeys } : work.options, isLarge ? 16 : 500);
  const known = journal.get(step);
  let position = known?.position ?? null;
  let rows = known?.rows ?? 0;
  for (let isDone = false; !isDone; ) {
    work.checkSignal();
    const startMs = performance.now();
    const chunk = await nextChunk(work, table, position, pace.rows);
    isDone = chunk.isLast;
    const moved = await work.transaction(
      `copying rows of ${table.key}`,
      async () => {
        const copied = chunk.condition === undefined ? { rows: 0, bytes: 0 } : await copier.copy(chunk.condition);
        await journal.set(step, { fingerprint, position: chunk.position, rows: rows + copied.rows, isDone });
        return copied;
      },
      () => pace.failed(),
    );
    position = chunk.position;
    rows += moved.rows;
    pace.done(Math.max(chunk.rows, moved.rows), performance.now() - startMs, moved.bytes);
    await work.between({ phase: 'copy', table: table.key, rows, ...about(table) }, moved.rows);
  }
  return rows;
}

interface Chunk {
  /** undefined: there is nothing left. */
  condition: string | undefined;
  position: string | null;
  /** Rows that are looked at. */
  rows: number;
  isLast: boolean;
}

async function nextChunk(work: Work, table: SeedTable, position: string | null, rows: number): Promise<Chunk> {
  const { keyColumns, where, chosen } = table;
  const { sql } = work;
  if (keyColumns.length === 0) return { condition: where ?? 'TRUE', position: null, rows: 0, isLast: true };
  try {
    if (chosen !== undefined) {
      const after = seqOf(position ?? '0');
      const batch = await work.db.query(sql.nextChosen(table, after, undefined, rows));
      if (batch.length === 0) return { condition: undefined, position, rows: 0, isLast: true };
      const condition = sql.inKeys(
        keyColumns,
        batch.map((row) => keyOf(table, row, 'l')),
      );
      return { condition, position: textOf(batch.at(-1)!.s), rows: batch.length, isLast: batch.length < rows };
    }
    const after = position === null ? undefined : literals(JSON.parse(position), sql.literalPattern);
    const [end] = await work.source.query(sql.chunkEnd(table.real, table, after, rows));
    const upto = end && keyOf(table, end, 'k');
    const condition = sql.rangeCondition(keyColumns, after, upto, where);
    return {
      condition,
      position: upto ? JSON.stringify(upto) : position,
      rows: end ? rows : 0,
      isLast: upto === undefined,
    };
  } catch (error) {
    throw work.translated(error, `reading keys of ${table.key}`);
  }
}

/** The two ways of a chunk: within the server, or through this process when it is masked or comes from elsewhere. */
class Copier {
  private readonly work: Work;
  private readonly table: SeedTable;
  private readonly masked: { column: CopiedColumn; mask: (value: string) => string }[];
  private readonly staysOnServer: boolean;

  constructor(work: Work, table: SeedTable) {
    this.work = work;
    this.table = table;
    const { maskKey = '', source } = work.options;
    this.masked = table.columns
      .filter(({ change }) => change.kind === 'mask')
      .map((column) => ({ column, mask: maskFunction(column, maskKey) }));
    this.staysOnServer = source === undefined && this.masked.length === 0 && work.session.canInsertSelect;
  }

  async copy(condition: string): Promise<{ rows: number; bytes: number }> {
    const { work, table } = this;
    if (this.staysOnServer) {
      return { rows: await work.dialect.insertSelected(work.db, table, condition), bytes: 0 };
    }
    const found = await this.read(condition);
    let bytes = 0;
    let batch: string[] = [];
    let batchBytes = 0;
    const most = Math.min(1024 * 1024, work.session.maxPacket / 2);
    const send = async (): Promise<void> => {
      if (batch.length > 0) await work.db.query(work.sql.insertRows(table, batch));
      batch = [];
      batchBytes = 0;
    };
    for (const row of found) {
      const text = this.tuple(row);
      if (text.length + 4096 > work.session.maxPacket) throw this.tooLarge();
      if (batchBytes + text.length > most) await send();
      batch.push(text);
      batchBytes += text.length + 1;
      bytes += text.length;
    }
    await send();
    return { rows: found.length, bytes };
  }

  private async read(condition: string): Promise<Row[]> {
    const { source, options, sql, dialect } = this.work;
    try {
      return await source.query(sql.selectRows(this.table, condition));
    } catch (error) {
      if (options.source === undefined && dialect.isTransient(error)) throw error;
      throw dialect.translated(error, `reading rows of ${this.table.key}`);
    }
  }

  private tuple(row: Row): string {
    // a result longer than max_allowed_packet is NULL
    if (row.v === null) throw this.tooLarge();
    const parts = textOf(row.v) === '' ? [] : [textOf(row.v)];
    this.masked.forEach(({ column, mask }, at) => {
      const value = row[`m${at}`];
      if (value === null || value === undefined) throw this.tooLarge();
      const text = textOf(value);
      parts.push(text === 'NULL' ? text : this.masking(column, mask, text));
    });
    return `(${parts.join(',')})`;
  }

  private masking({ model }: CopiedColumn, mask: (value: string) => string, value: string): string {
    const { sql } = this.work;
    if (!sql.types.isNumber(model.type)) {
      return sql.maskedLiteral(model, mask(Buffer.from(value, 'hex').toString('utf8')));
    }
    const masked = mask(value);
    const limit = sql.types.highestOf(model.type);
    if (limit !== undefined && /^-?\d+$/.test(masked) && BigInt(masked) > limit) {
      throw new SeedError(
        'SEED_VALUE',
        `${this.table.key}.${model.name} (${model.type}) ends at ${limit}, and the token of one of its numbers is above it: widen the column, or mask no numbers of as many digits`,
      );
    }
    return sql.maskedLiteral(model, masked);
  }

  private tooLarge(): SeedError {
    const { maxPacket } = this.work.session;
    return new SeedError(
      'SEED_PACKET',
      `a row of ${this.table.key} does not fit into a packet of ${maxPacket} bytes as text`,
    );
  }
}

function maskFunction({ change }: CopiedColumn, maskKey: string): (value: string) => string {
  if (change.kind !== 'mask') throw new TypeError('not a masked column');
  const tokens = new Tokens(maskKey, change.domain);
  switch (change.mask) {
    case 'token':
      return (value) => tokens.token(value);
    case 'email':
      return (value) => tokens.email(value);
    case 'name':
      return (value) => tokens.name(value);
    case 'text':
      return (value) => tokens.text(value);
    case 'card':
      return (value) => tokens.digits(value, true);
    case 'digits':
    case 'phone':
      return (value) => tokens.digits(value);
  }
}
