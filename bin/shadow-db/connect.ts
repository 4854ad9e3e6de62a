import { connect as openSocket } from 'node:net';
import type { Db } from '@shadowline/shadow-db/server';
import { CliError, exitCodes } from '../exit-codes.js';

/** Where a store is and who asks; never printed with its password. */
export interface Address {
  store: string;
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
}

/** A connection that the toolkit opened for itself. */
export interface OpenDb extends Db {
  close(): Promise<void>;
}

const CONNECT_MS = 10_000;
/** A MySQL server greets at once; one on another continent still within this time. */
const GREETING_MS = 2_000;

/** @throws CliError with the cause and what to do; the message never holds a password */
export async function connectMysql(address: Address): Promise<OpenDb> {
  if ((await speaksFirst(address, GREETING_MS)) === false) {
    throw cannot(address, 'what listens there does not greet as a MySQL server does', 'check host and port of the URL');
  }
  const { createConnection } = await import('mysql2/promise');
  try {
    const { host, port, user, password, database } = address;
    const connection = await createConnection({
      ...{ host, port, user, password, database },
      multipleStatements: false,
      supportBigNumbers: true,
      bigNumberStrings: true,
      dateStrings: true,
      connectTimeout: CONNECT_MS,
    });
    // the driver escapes values by backslashes, and our statements are not in ORACLE's grammar
    await connection.query("SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'");
    return {
      async query(sql, params) {
        const [rows] = await connection.query(sql, params);
        return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
      },
      close: () => connection.end().catch(() => undefined),
    };
  } catch (error) {
    throw explained(address, error);
  }
}

/** @throws CliError with the cause and what to do; the message never holds a password */
export async function connectPostgres(address: Address): Promise<OpenDb> {
  // pg answers a greeting that it does not know with an error that nobody can catch
  if (await speaksFirst(address, 150)) {
    throw cannot(address, 'what listens there is not PostgreSQL (it speaks first)', 'check host and port of the URL');
  }
  const { default: pg } = await import('pg');
  const { host, port, user, password, database } = address;
  const client = new pg.Client({
    ...{ host, port, user, password, database },
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'shadowline',
  });
  // a connection that breaks later is told by the query that is under way
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw explained(address, error);
  }
  return {
    async query(sql, params) {
      const { rows } = await client.query(sql, params);
      return rows as Record<string, unknown>[];
    },
    close: () => client.end().catch(() => undefined),
  };
}

/** Whether the server sends bytes before it is asked; undefined when it cannot be reached, which the driver then tells better. */
function speaksFirst({ host, port }: Address, waitMs: number): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const socket = openSocket({ host, port });
    const end = (answer: boolean | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(undefined), CONNECT_MS);
    socket.once('connect', () => {
      clearTimeout(timer);
      setTimeout(() => end(false), waitMs).unref();
    });
    socket.once('data', () => end(true));
    socket.once('error', () => end(undefined));
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}

const REMEDIES: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there: is the server up, and are host and port right?',
  ENOTFOUND: 'the host name is not known: check the URL',
  EAI_AGAIN: 'the host name could not be looked up: check the URL and the name server',
  ETIMEDOUT: 'nothing answered in time: check host, port and firewall',
  EHOSTUNREACH: 'there is no route to the host: check the network',
  ECONNRESET: 'the server hung up: is this the right port, and does it accept connections from here?',
  ER_ACCESS_DENIED_ERROR: 'check user and password of the URL',
  ER_ACCESS_DENIED_NO_PASSWORD_ERROR: 'check user and password of the URL',
  ER_DBACCESS_DENIED_ERROR: 'grant the account rights on the database, or correct its name in the URL',
  ER_BAD_DB_ERROR: 'check the name of the database in the URL',
  ER_HOST_NOT_PRIVILEGED: 'the server accepts no connection from this machine: allow the host',
  ER_CON_COUNT_ERROR: 'the server has no connection left: raise max_connections, or try later',
  '28000': 'check user and password of the URL, and pg_hba.conf',
  '28P01': 'check user and password of the URL',
  '3D000': 'check the name of the database in the URL',
  '53300': 'the server has no connection left: raise max_connections, or try later',
  '57P03': 'the server is starting up or shutting down: try again in a moment',
};

function explained(address: Address, error: unknown): CliError {
  const { code, message } = error as NodeJS.ErrnoException;
  const why = message === '' ? String(code) : message;
  const remedy = REMEDIES[code ?? ''] ?? 'is the server up, and are host, account and database right?';
  return cannot(address, why, remedy);
}

function cannot({ store, user, host, port, database }: Address, why: string, remedy: string): CliError {
  const place = `${user}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`;
  return new CliError(exitCodes.unexpected, `store ${store}: ${place} cannot be reached: ${why}`, remedy);
}
