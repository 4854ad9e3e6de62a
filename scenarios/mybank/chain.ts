import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import mysql from 'mysql2/promise';
import { type Document, isMap, parseDocument } from 'yaml';
import type { Say } from '../../orchestrator/servers/cache.js';
import { freePort, type LeashedServer, startLeashed, untilReady } from '../../orchestrator/servers/leash.js';
import { type Servers, startServers } from '../../orchestrator/servers/servers.js';
import { CUSTOMERS } from './journeys.js';
import { PIN } from './users.js';

/**
 * The demo chain on real servers: gateway → account, payment → ledger. Everything is in one temporary folder and on free ports, so two
 * chains can run side by side; `stop` leaves nothing behind.
 */
export type ServiceName = 'gateway' | 'account' | 'payment' | 'ledger';

export interface Chain {
  /** Origin of the gateway. */
  target: string;
  dir: string;
  /** Copy of scenario.yaml that fits this chain (hops that could not be had are left out and named). */
  scenarioFile: string;
  /** What `stress` needs in its environment to read the scenario. */
  env: NodeJS.ProcessEnv;
  servers: Servers;
  database: string;
  services: Map<ServiceName, LeashedServer>;
  /** Writes the agents' configuration file: `stress agent-config` makes its text. Services must be started afterwards. */
  agentConfigFile: string;
  captureDir: string;
  recordingDir: string;
  startServices(options?: ServiceOptions): Promise<void>;
  startService(name: ServiceName, options?: ServiceOptions): Promise<void>;
  stopServices(): Promise<void>;
  query<T = Record<string, unknown>>(sql: string, params?: unknown[]): Promise<T[]>;
  stop(): Promise<void>;
}

export interface ServiceOptions {
  /** Services that run without their agent. */
  withoutAgent?: ServiceName[];
  /** Switches the deliberate leak on (services/leak.ts). */
  leak?: boolean;
  /** The gateway's agent records ordinary requests. */
  record?: boolean;
}

const here = dirname(fileURLToPath(import.meta.url));
/** The project's root, from the compiled file as from its source (tests run the source). */
export const root = join(here, here.includes(join('dist', 'scenarios')) ? '../../..' : '../..');
const sources = join(root, 'scenarios', 'mybank');
const compiled = join(root, 'dist', 'scenarios', 'mybank');
const entryPoints: Record<ServiceName, string> = {
  gateway: 'gateway.js',
  account: 'account.cjs',
  payment: 'payment.js',
  ledger: 'ledger.js',
};
export const TOPIC = 'transfer.created';
export const SHADOW_TOPIC = `${TOPIC}.shadow`;

export async function startChain(say: Say): Promise<Chain> {
  const servers = await startServers(say);
  const dir = await mkdtemp(join(tmpdir(), 'shadowline-mybank-'));
  try {
    return await build(servers, dir, say);
  } catch (error) {
    await servers.stop();
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

async function build(servers: Servers, dir: string, say: Say): Promise<Chain> {
  const database = `mybank_${randomBytes(3).toString('hex')}`;
  const admin = await mysql.createConnection({ uri: servers.mysql.url, multipleStatements: true });
  const appPassword = randomBytes(9).toString('base64url');
  const shadowPassword = randomBytes(9).toString('base64url');
  say(`database ${database}: schema and ${CUSTOMERS} customers`);
  await makeDatabase(admin, database, appPassword);
  if (servers.kafka !== undefined) await makeTopics(servers.kafka.url);

  const names: ServiceName[] = ['gateway', 'account', 'payment'];
  if (servers.kafka !== undefined) names.push('ledger');
  const ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()]))) as Record<
    ServiceName,
    number
  >;
  const telemetry = `127.0.0.1:${await freePort()}`;
  const mysqlUrl = new URL(servers.mysql.url);
  const appUrl = `mysql://app_${database}:${appPassword}@${mysqlUrl.host}/${database}`;
  const recordingDir = join(dir, 'recording');
  const captureDir = join(dir, 'capture');
  await mkdir(captureDir);
  const scenarioFile = join(dir, 'scenario.yaml');
  const env: NodeJS.ProcessEnv = {
    MYBANK_TARGET: `http://127.0.0.1:${ports.gateway}`,
    MYBANK_ACCOUNT: `127.0.0.1:${ports.account}`,
    MYBANK_PAYMENT: `127.0.0.1:${ports.payment}`,
    MYBANK_MYSQL: `${servers.mysql.url}/${database}`,
    MYBANK_SHADOW_USER: `shadow_${database}`,
    MYBANK_SHADOW_PASSWORD: shadowPassword,
    MYBANK_KAFKA: servers.kafka?.url ?? '',
    MYBANK_REDIS: servers.redis?.url ?? '',
    MYBANK_TELEMETRY: telemetry,
    MYBANK_KEY_FILE: join(dir, 'flag.pem'),
    MYBANK_RECORDING: recordingDir,
  };
  const agentConfigFile = join(dir, 'shadowline.json');
  const services = new Map<ServiceName, LeashedServer>();
  await writeScenario(scenarioFile, servers);
  await copyFile(join(sources, 'pin.mjs'), join(dir, 'pin.mjs'));
  const jwtSecret = randomBytes(32).toString('base64url');

  const startService = async (name: ServiceName, options: ServiceOptions = {}) => {
    const withAgent = !options.withoutAgent?.includes(name);
    const logFile = join(dir, `${name}.log`);
    const service = startLeashed({
      command: process.execPath,
      args: [
        ...(withAgent ? ['--import', '@shadowline/agent/register'] : []),
        join(compiled, 'services', entryPoints[name]),
      ],
      // A module name given to --import is looked up from the working directory.
      cwd: compiled,
      logFile,
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'production',
        PORT: String(ports[name]),
        ACCOUNT_URL: `http://${env.MYBANK_ACCOUNT}`,
        PAYMENT_URL: `http://${env.MYBANK_PAYMENT}`,
        JWT_SECRET: jwtSecret,
        // Short, so that a run of a minute shows that the engine renews it.
        TOKEN_TTL_S: '20',
        MYSQL_URL: appUrl,
        REDIS_URL: servers.redis?.url ?? '',
        KAFKA_BROKERS: servers.kafka?.url ?? '',
        MYBANK_SHADOW_PASSWORD: shadowPassword,
        ...(options.leak ? { MYBANK_LEAK: '1' } : {}),
        ...(withAgent
          ? {
              SHADOWLINE_SERVICE: name,
              SHADOWLINE_CONFIG: agentConfigFile,
              SHADOWLINE_TELEMETRY: `http://${telemetry}`,
              SHADOWLINE_KILL_FILE: join(dir, 'kill'),
            }
          : {}),
        ...(withAgent && name === 'gateway' && options.record
          ? {
              SHADOWLINE_RECORD_DIR: captureDir,
              SHADOWLINE_RECORD_SESSION: 'header:x-session',
              SHADOWLINE_RECORD_MASK: 'body.pin',
            }
          : {}),
      },
    });
    services.set(name, service);
    await untilReady(name, service, logFile, () => healthy(ports[name]), 30_000);
  };
  const stopServices = async () => {
    const running = [...services.values()];
    services.clear();
    await Promise.all(running.map((service) => service.stop()));
  };
  return {
    target: env.MYBANK_TARGET!,
    dir,
    scenarioFile,
    env,
    servers,
    database,
    services,
    agentConfigFile,
    captureDir,
    recordingDir,
    startService,
    async startServices(options) {
      await Promise.all(names.map((name) => startService(name, options)));
    },
    stopServices,
    async query<T>(sql: string, params?: unknown[]) {
      const [rows] = await admin.query({ sql: sql.replaceAll('mybank.', `${database}.`), values: params });
      return rows as T[];
    },
    async stop() {
      await stopServices();
      admin.destroy();
      await servers.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function makeDatabase(root: mysql.Connection, database: string, appPassword: string): Promise<void> {
  const user = `app_${database}`;
  await root.query(`CREATE DATABASE \`${database}\``);
  await root.query(`USE \`${database}\``);
  await root.query(await readFile(join(sources, 'schema.sql'), 'utf8'));
  // `mysql_native_password` is MariaDB's default.
  await root.query(
    `CREATE USER '${user}'@'%' IDENTIFIED BY '${appPassword}'; GRANT SELECT, INSERT, UPDATE, DELETE ON \`${database}\`.* TO '${user}'@'%'`,
  );
  const pinDigest = createHash('sha256').update(PIN).digest('hex');
  await root.query(`
    INSERT INTO branches SELECT seq, ELT(seq, 'Porto', 'Lyon', 'Graz', 'Turku', 'Gent'), IF(seq <= 3, 'RZ01', 'RZ02') FROM seq_1_to_5;
    INSERT INTO customers (id, name, pin_digest, referred_by)
      SELECT seq, CONCAT('Customer ', seq), '${pinDigest}', IF(seq > 1 AND seq % 7 = 0, seq - 1, NULL) FROM seq_1_to_${CUSTOMERS};
    INSERT INTO accounts (id, customer_id, branch_id, balance_cents) SELECT seq, seq, 1 + seq % 5, 10000000 FROM seq_1_to_${CUSTOMERS};`);
}

/** The preflight would make a missing shadow topic too; consumers that are up already then need a moment to find it. */
async function makeTopics(broker: string): Promise<void> {
  const kafka = new Kafka({ clientId: 'mybank', brokers: [broker], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({
      waitForLeaders: true,
      topics: [TOPIC, SHADOW_TOPIC].map((topic) => ({ topic, numPartitions: 2 })),
    });
  } finally {
    await admin.disconnect();
  }
}

/** The scenario as this machine can run it: what could not be had is taken out and named. */
async function writeScenario(file: string, servers: Servers): Promise<void> {
  const original = join(sources, 'scenario.yaml');
  if (servers.omissions.length === 0) {
    await copyFile(original, file);
    return;
  }
  const document = parseDocument(await readFile(original, 'utf8')) as Document;
  if (servers.kafka === undefined) {
    document.deleteIn(['services', 'ledger']);
    document.deleteIn(['shadow', 'kafka']);
  }
  if (servers.redis === undefined) document.deleteIn(['shadow', 'redis']);
  if (isMap(document.contents)) document.set('omissions', servers.omissions);
  await writeFile(file, String(document));
}

function healthy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ host: '127.0.0.1', port, path: '/health', timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.on('error', () => resolve(false));
    probe.on('timeout', () => probe.destroy());
    probe.end();
  });
}
