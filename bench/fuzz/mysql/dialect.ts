import { randomBytes } from 'node:crypto';
import { createRewriter } from '@shadowline/shadow-db';
import { type Connection, createConnection } from 'mysql2/promise';
import type { Arena, Dialect } from '../dialect.js';
import { MySqlArena } from './arena.js';
import { makeStep, type Step } from './step.js';
import { makeWorld, type World } from './world.js';

/** MySQL and MariaDB: `url` names a server on which databases may be made and dropped. */
export class MySqlDialect implements Dialect<World, Step> {
  readonly name = 'mysql';
  readonly makeWorld = makeWorld;
  readonly makeStep = makeStep;
  private readonly url: string;
  private connections: Promise<[Connection, Connection]> | undefined;
  private readonly arenas = new Set<MySqlArena>();
  private readonly create: typeof createRewriter;
  /** Every schema name that was used: what a database made here may be called begins with one of them. */
  readonly stems: string[] = [];

  /** `create`: what makes the rewriter under test. */
  constructor(url: string, create = createRewriter) {
    this.url = url;
    this.create = create;
  }

  describe(step: Step): string {
    return step.statements
      .map(({ text, parameters }) => (parameters.length > 0 ? `${text} ← ${JSON.stringify(parameters)}` : text))
      .join(';\n');
  }

  async open(world: World): Promise<Arena<Step>> {
    this.connections ??= Promise.all([this.connect(), this.connect()]);
    const [one, two] = await this.connections;
    // names of one length, so that messages differ in nothing else
    const stem = `fz_${randomBytes(4).toString('hex')}`;
    this.stems.push(stem);
    const arena = new MySqlArena(
      world,
      { connection: one, database: `${stem}_a` },
      { connection: two, database: `${stem}_b` },
      this.create,
    );
    this.arenas.add(arena);
    try {
      await arena.open();
    } catch (error) {
      await arena.close();
      this.arenas.delete(arena);
      throw error;
    }
    return {
      run: (steps) => arena.run(steps),
      close: async () => {
        if (this.arenas.delete(arena)) await arena.close();
      },
    };
  }

  private connect(): Promise<Connection> {
    return createConnection({
      uri: this.url,
      charset: 'utf8mb4_general_ci',
      dateStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
    });
  }

  async end(): Promise<void> {
    for (const arena of [...this.arenas]) {
      this.arenas.delete(arena);
      await arena.close().catch(() => undefined);
    }
    const connections = await this.connections?.catch(() => undefined);
    this.connections = undefined;
    for (const connection of connections ?? []) await connection.end();
  }
}
