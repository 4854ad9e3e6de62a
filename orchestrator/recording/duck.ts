import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

export interface DuckOptions {
  memoryLimitMb: number;
  threads: number;
  /** Where to spill. Empty: nowhere, for queries that only stream. */
  tempDir?: string;
}

/** One DuckDB instance with bounded memory (what is over goes to `tempDir`) that loads nothing from the network. */
export class Duck {
  readonly #instance: DuckDBInstance;
  readonly #connections = new Set<DuckDBConnection>();

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance;
  }

  static async open({ memoryLimitMb, threads, tempDir = '' }: DuckOptions): Promise<Duck> {
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: `${memoryLimitMb}MB`,
      threads: String(threads),
      temp_directory: tempDir,
      // Measured: without it, rows of a sorted query reach a Parquet file out of order.
      preserve_insertion_order: 'true',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    return new Duck(instance);
  }

  async connect(): Promise<DuckDBConnection> {
    const connection = await this.#instance.connect();
    this.#connections.add(connection);
    return connection;
  }

  disconnect(connection: DuckDBConnection): void {
    if (this.#connections.delete(connection)) connection.closeSync();
  }

  close(): void {
    for (const connection of [...this.#connections]) this.disconnect(connection);
    this.#instance.closeSync();
  }
}

/** A string literal of SQL. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
