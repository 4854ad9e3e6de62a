import { createHash } from 'node:crypto';
import type { Connection, RowDataPacket } from 'mysql2/promise';

const SLOTS = 16;
const GATE_WAIT_S = 60;
/** A connection that only holds a lock is idle for as long as the run. */
const IDLE_S = 7 * 24 * 3600;

/**
 * Runs that use one database know of each other, whichever machine they come from: each holds a named lock of the server until its connection ends, however
 * it ends. A gate orders who comes and who cleans, so that nobody begins while everything is emptied.
 */
export class Presence {
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #slot: number;

  private constructor(connection: Connection, prefix: string, slot: number) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#slot = slot;
  }

  /** @throws Error when somebody cleans for longer than a minute, or too many runs are here */
  static async enter(connect: () => Promise<Connection>, database: string): Promise<Presence> {
    const prefix = prefixOf(database);
    const connection = await connect();
    // without a listener its loss would end the process; what it held is gone then, and the next query says so
    connection.on('error', () => undefined);
    try {
      await connection.query(`SET SESSION wait_timeout = ${IDLE_S}`);
      return await gated(connection, prefix, async () => {
        for (let slot = 0; slot < SLOTS; slot++)
          if (await take(connection, `${prefix}.${slot}`, 0)) return new Presence(connection, prefix, slot);
        throw new Error(`${SLOTS} runs use ${database} already: wait until one has ended`);
      });
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** Runs that are here beside this one. */
  async others(): Promise<number> {
    const slots = [...Array(SLOTS).keys()]
      .filter((slot) => slot !== this.#slot)
      .map((slot) => `${this.#prefix}.${slot}`);
    const list = slots.map(() => '(IS_USED_LOCK(?) IS NOT NULL)').join(' + ');
    const [rows] = await this.#connection.query<RowDataPacket[]>(`SELECT ${list} AS n`, slots);
    return Number(rows[0]?.n ?? 0);
  }

  /** Nobody comes while `work` goes on. */
  gated<T>(work: (others: number) => Promise<T>): Promise<T> {
    return gated(this.#connection, this.#prefix, async () => work(await this.others()));
  }

  /** By a statement, so that nobody sees this run any more when it returns; the end of the connection would do it a moment later. */
  async leave(): Promise<void> {
    await this.#connection.query('DO RELEASE_LOCK(?)', [`${this.#prefix}.${this.#slot}`]).catch(() => undefined);
    this.#connection.destroy();
  }
}

/** Named locks of which a run holds one: whoever only wants to know asks IS_USED_LOCK. */
export function runLocks(database: string): string[] {
  return [...Array(SLOTS).keys()].map((slot) => `${prefixOf(database)}.${slot}`);
}

function prefixOf(database: string): string {
  return `shadowline.run.${createHash('sha256').update(database).digest('hex').slice(0, 16)}`;
}

async function gated<T>(connection: Connection, prefix: string, work: () => Promise<T>): Promise<T> {
  const gate = `${prefix}.gate`;
  if (!(await take(connection, gate, GATE_WAIT_S)))
    throw new Error(`another run has been cleaning up for ${GATE_WAIT_S} s`);
  try {
    return await work();
  } finally {
    await connection.query('DO RELEASE_LOCK(?)', [gate]).catch(() => undefined);
  }
}

async function take(connection: Connection, name: string, waitS: number): Promise<boolean> {
  const [rows] = await connection.query<RowDataPacket[]>('SELECT GET_LOCK(?, ?) AS got', [name, waitS]);
  return Number(rows[0]?.got) === 1;
}
