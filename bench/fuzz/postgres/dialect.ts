import { randomBytes } from 'node:crypto';
import { createRewriter, loadParser } from '@shadowline/shadow-db/postgres';
import pg from 'pg';
import type { Arena, Dialect } from '../dialect.js';
import { PostgresArena } from './arena.js';
import { makeStep, type Step } from './step.js';
import { makeWorld, type World } from './world.js';

interface Databases {
  admin: pg.Client;
  names: string[];
  sides: [pg.Client, pg.Client];
}

/** PostgreSQL: `url` names a server on which databases may be made and dropped. */
export class PostgresDialect implements Dialect<World, Step> {
  readonly name = 'postgres';
  readonly makeWorld = makeWorld;
  readonly makeStep = makeStep;
  private readonly url: string;
  private readonly create: typeof createRewriter;
  private databases: Promise<Databases> | undefined;

  /** `create`: what makes the rewriter under test. */
  constructor(url: string, create = createRewriter) {
    this.url = url;
    this.create = create;
  }

  describe({ text, parameters }: Step): string {
    return parameters.length > 0 ? `${text} ← ${JSON.stringify(parameters)}` : text;
  }

  async open(world: World): Promise<Arena<Step>> {
    this.databases ??= this.start();
    const { sides } = await this.databases;
    const arena = new PostgresArena(world, ...sides, this.create);
    await arena.open();
    return arena;
  }

  private async start(): Promise<Databases> {
    await loadParser();
    const admin = await connect(this.url);
    const stem = `fz_${randomBytes(5).toString('hex')}`;
    const names = [`${stem}_a`, `${stem}_b`];
    for (const name of names) await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
    const sides = await Promise.all(
      names.map((name) => {
        const url = new URL(this.url);
        url.pathname = `/${name}`;
        return connect(url.href);
      }),
    );
    return { admin, names, sides: sides as [pg.Client, pg.Client] };
  }

  async end(): Promise<void> {
    const databases = await this.databases?.catch(() => undefined);
    this.databases = undefined;
    if (databases === undefined) return;
    for (const side of databases.sides) await side.end();
    for (const name of databases.names) await databases.admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await databases.admin.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  // values as the server writes them
  const types = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;
  const client = new pg.Client({ connectionString: url, types });
  await client.connect();
  return client;
}
