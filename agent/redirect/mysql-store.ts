import { createRewriter, type Rewriter } from '@shadowline/shadow-db';
import type { MysqlStoreConfig } from '../config.js';
import type { AgentRuntime } from '../runtime.js';

/** A declared store, with the rewriter of its tables. */
export interface MysqlStore {
  /** Key in the configuration. */
  name: string;
  config: MysqlStoreConfig;
  /** In mode `instance` its text is not used: it only tells which tables a statement writes. */
  rewriter: Rewriter;
  /** For a server that ignores case in names of tables. Throws ShadowNameError where two names differ in case only. */
  rewriterIgnoringCase(): Rewriter;
  rewrites: boolean;
}

/** The part of mysql2's ConnectionConfig that tells where a connection goes. */
export interface Address {
  database?: string;
  host?: string;
  port?: number;
}

/** Which declared store a connection belongs to. */
export class MysqlStores {
  readonly #runtime: AgentRuntime;
  readonly #built = new Map<string, MysqlStore | Error>();

  constructor(runtime: AgentRuntime) {
    this.#runtime = runtime;
  }

  /** Undefined when the store is not declared, or its configuration cannot work. Never throws. */
  find(address: Address): MysqlStore | undefined {
    const store = this.#lookUp(address);
    return store instanceof Error ? undefined : store;
  }

  /** @throws ShadowRefusedError STORE_UNDECLARED, or AGENT_NOT_READY when its configuration cannot work */
  require(address: Address): MysqlStore {
    const store = this.#lookUp(address);
    if (store === undefined) {
      const where = `${address.host ?? 'localhost'}:${address.port ?? 3306}`;
      throw this.#runtime.refuse(
        'STORE_UNDECLARED',
        `database "${address.database ?? ''}" at ${where} is not in the configuration under mysql`,
      );
    }
    if (store instanceof Error) throw this.#runtime.refuse('AGENT_NOT_READY', store.message);
    return store;
  }

  #lookUp(address: Address): MysqlStore | Error | undefined {
    for (const [name, config] of Object.entries(this.#runtime.config.mysql)) {
      if (config.database !== address.database) continue;
      if (config.host !== undefined && hostName(config.host) !== hostName(address.host)) continue;
      if (config.port !== undefined && config.port !== (address.port ?? 3306)) continue;
      let store = this.#built.get(name);
      if (store === undefined) {
        store = build(name, config);
        this.#built.set(name, store);
      }
      return store;
    }
    return undefined;
  }
}

function build(name: string, config: MysqlStoreConfig): MysqlStore | Error {
  const { database, mode, suffix, schema, schemas, tables, truncate, readLocks } = config;
  try {
    const create = (ignoreCase: boolean): Rewriter =>
      mode === 'instance'
        ? createRewriter({ dialect: 'mysql', mode: 'schema', database, schema: `${database}\u2192instance`, tables })
        : createRewriter({
            dialect: 'mysql',
            mode,
            database,
            suffix,
            schema,
            schemas,
            tables,
            truncate,
            readLocks,
            ignoreCase,
          });
    let ignoring: Rewriter | undefined;
    const rewriterIgnoringCase = (): Rewriter => {
      ignoring ??= create(true);
      return ignoring;
    };
    return { name, config, rewriter: create(false), rewriterIgnoringCase, rewrites: mode !== 'instance' };
  } catch (error) {
    return new Error(`mysql.${name}: ${(error as Error).message}`);
  }
}

/** Where `createConnection(options)` goes: options, a URL, or both. Never throws. */
export function addressOf(options: any): Address {
  const uri: unknown = typeof options === 'string' ? options : options?.uri;
  const url = typeof uri === 'string' && URL.canParse(uri) ? new URL(uri) : undefined;
  const given = typeof options === 'object' && options !== null ? options : {};
  return {
    database: given.database ?? (url === undefined ? undefined : decodeURIComponent(url.pathname.slice(1))),
    host: given.host ?? url?.hostname,
    port: Number(given.port ?? (url?.port || 3306)),
  };
}

/** Names of this machine are one host. */
function hostName(host: string | undefined): string {
  return host === undefined || host === '127.0.0.1' || host === '::1' ? 'localhost' : host.toLowerCase();
}

const MULTI_STATEMENTS = 1 << 16;
const LOCAL_FILES = 1 << 7;

/**
 * The options of a connection's twin: the same, but for the account, and the database or the server. Takes and returns mysql2's ConnectionConfig.
 * @throws ShadowRefusedError AGENT_NOT_READY when the password is not in the environment or the server cannot be exchanged
 */
export function twinConnectionConfig(real: any, store: MysqlStore, runtime: AgentRuntime): any {
  const { account, mode, schema, instance } = store.config;
  const password = process.env[account.passwordEnv];
  if (password === undefined) {
    throw runtime.refuse(
      'AGENT_NOT_READY',
      `mysql.${store.name}: the environment has no ${account.passwordEnv}, the password of the shadow account "${account.user}"`,
    );
  }
  if (real.stream !== undefined && typeof real.stream !== 'function') {
    // two connections on one socket: shadow statements would reach the server with the real account
    throw runtime.refuse(
      'AGENT_NOT_READY',
      `mysql.${store.name}: the option "stream" is a socket, which its shadow twin cannot share: give a function that opens one`,
    );
  }
  const twin = cloneConfig(real);
  Object.assign(twin, { user: account.user, password });
  // nothing of the real account may go along
  Object.assign(twin, { password2: undefined, password3: undefined, passwordSha1: undefined });
  Object.assign(twin, { authSwitchHandler: undefined, authPlugins: undefined, pool: undefined });
  if (mode === 'schema') twin.database = schema;
  if (mode === 'instance') {
    const address = /^(.+):(\d+)$/.exec(instance ?? '');
    if (address === null || real.stream !== undefined) {
      const reason =
        address === null ? `instance "${instance ?? ''}" is not host:port` : 'the service brings its own stream';
      throw runtime.refuse('AGENT_NOT_READY', `mysql.${store.name}: ${reason}`);
    }
    Object.assign(twin, { host: address[1]!.replace(/^\[|\]$/g, ''), port: Number(address[2]), socketPath: undefined });
  } else {
    // one statement at a time is all that can be redirected; the server refuses the rest as well
    twin.multipleStatements = false;
    twin.clientFlags &= ~(MULTI_STATEMENTS | LOCAL_FILES);
  }
  return twin;
}

/** A copy that is still of the same class. */
export function cloneConfig(config: any): any {
  return Object.create(Object.getPrototypeOf(config), Object.getOwnPropertyDescriptors(config));
}
