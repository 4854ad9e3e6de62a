import { bind, currentContext, type ShadowContext } from '../context.js';
import type { ShadowRefusedError } from '../errors.js';
import { isRefusal, issueMode, outside, refusalOf, wrapMethod } from '../redirect/issue.js';
import {
  bindCommand,
  bindEvents,
  type CommandKind,
  deliverRefusal,
  kindOf,
  redirectCommand,
} from '../redirect/mysql-command.js';
import { watchCommand } from '../redirect/mysql-real.js';
import { firstWord } from '../redirect/mysql-statement.js';
import { addressOf, cloneConfig, type MysqlStore, MysqlStores, twinConnectionConfig } from '../redirect/mysql-store.js';
import { MysqlTwin } from '../redirect/mysql-twin.js';
import type { AgentRuntime, Instrumentation } from '../runtime.js';

/**
 * mysql2. Every command of every interface (callback, promise, pool, prepared, stream) passes BaseConnection.addCommand in the tick in which it is
 * issued: that is the one gate. Leases pass BasePool.getConnection.
 *
 * | connection      | shadow                             | ordinary or unknown                      |
 * |-----------------|------------------------------------|------------------------------------------|
 * | pool            | lease of the twin pool             | lease of the pool                        |
 * | real lease      | refused, MODE_MISMATCH             | watched, passes                          |
 * | twin lease      | redirected                         | refused, MODE_MISMATCH; destroyed at end |
 * | stand-alone     | its twin connection; refused while | watched, passes                          |
 * |                 | an ordinary transaction is open    |                                          |
 * | pool cluster    | refused                            | passes                                   |
 */
export const mysql2Instrumentation: Instrumentation = {
  name: 'mysql2',
  versions: '>=3.12 <4',
  targets: [
    { file: 'mysql2/lib/base/pool.js', wrap: wrapPool },
    { file: 'mysql2/lib/base/connection.js', wrap: wrapConnection },
    { file: 'mysql2/lib/pool_cluster.js', wrap: wrapCluster },
    { file: 'mysql2/index.js', wrap: wrapCreate },
    { file: 'mysql2/promise.js', wrap: wrapCreate },
  ],
};

/** Twin pools and connections are known across the three files, which are wrapped one by one, by their `keyOf`. */
interface Shared {
  stores: MysqlStores;
  twinPools: WeakMap<object, MysqlStore>;
  poolTwins: WeakMap<object, any>;
  /** Twin pools that are not ended, to end them when the wrap is taken away. */
  openPools: any[];
  twins: WeakMap<object, MysqlTwin>;
  connectionTwins: WeakMap<object, any>;
}
/** What a pool or connection has in common with a Proxy of it: services wrap what they lease, and their calls come with the Proxy as `this`. */
function keyOf(one: any): object {
  return one._commands ?? one._allConnections ?? one;
}

const byRuntime = new WeakMap<AgentRuntime, Shared>();

function sharedOf(runtime: AgentRuntime): Shared {
  let shared = byRuntime.get(runtime);
  if (shared === undefined) {
    shared = {
      stores: new MysqlStores(runtime),
      twinPools: new WeakMap(),
      poolTwins: new WeakMap(),
      openPools: [],
      twins: new WeakMap(),
      connectionTwins: new WeakMap(),
    };
    byRuntime.set(runtime, shared);
  }
  return shared;
}

function wrapPool(BasePool: any, runtime: AgentRuntime): () => void {
  const shared = sharedOf(runtime);
  const { prototype } = BasePool;
  const restores = [
    wrapMethod(prototype, 'getConnection', (original) => {
      return function getConnection(this: any, callback: (error: unknown, connection?: any) => void) {
        if (typeof callback !== 'function') return original.call(this, callback);
        if (shared.twinPools.has(keyOf(this))) {
          // the driver connects at once, if at all
          return runtime.permitted(() => original.call(this, bind(callback)));
        }
        if (runtime.state() === 'idle') return original.call(this, callback);
        let twin: any;
        try {
          // whether it will write is not known yet: an unknown context gets an ordinary lease, and is looked at again when it writes
          if (issueMode(runtime, 'mysql getConnection', false) !== undefined)
            twin = twinPool(shared, this, BasePool, runtime);
        } catch (error) {
          const refusal = refusalOf(runtime, error);
          if (refusal !== undefined) {
            process.nextTick(bind(callback), refusal);
            return undefined;
          }
        }
        return twin === undefined ? original.call(this, bind(callback)) : twin.getConnection(callback);
      };
    }),
    wrapMethod(prototype, 'query', (original) => {
      // the driver's own code takes a connection through getConnection above; its command must be bound before it has one
      return function query(this: any, ...args: unknown[]) {
        const command = original.apply(this, args);
        const context = currentContext();
        if (context?.mode === 'shadow' && typeof command?.onResult !== 'function') bindEvents(command, context);
        return command;
      };
    }),
    wrapMethod(prototype, 'execute', withCallback),
    wrapMethod(prototype, 'releaseConnection', (original) => {
      return function releaseConnection(this: any, connection: any) {
        // the service knows one pool only, and gives back to it what it got in shadow: ordinary work must not get that
        const { _pool: owner } = connection;
        if (owner && owner !== this && shared.twinPools.has(keyOf(owner))) return owner.releaseConnection(connection);
        if (connection._pool && shared.twins.get(keyOf(connection))?.broken) return connection.destroy();
        if (shared.twinPools.has(keyOf(this))) return original.call(this, connection);
        // who waits for it, and the driver's own reset of it, are ordinary, whoever gives it back
        return outside(() => original.call(this, connection));
      };
    }),
    wrapMethod(prototype, 'end', (original) => {
      return function end(this: any, callback?: (error?: unknown) => void) {
        const twin = shared.poolTwins.get(keyOf(this));
        if (twin !== undefined && !twin._closed) {
          shared.poolTwins.delete(keyOf(this));
          shared.openPools = shared.openPools.filter((one) => one !== twin);
          endPool(twin);
        }
        return original.call(this, typeof callback === 'function' ? bind(callback) : callback);
      };
    }),
  ];
  return () => {
    for (const restore of restores) restore();
    for (const twin of shared.openPools.splice(0)) if (!twin._closed) endPool(twin);
  };
}

/** execute() of pools: without a callback the driver throws when there is no connection, which shadow traffic must not cause. */
function withCallback(original: (...args: any[]) => any): (this: any, ...args: any[]) => any {
  return function execute(this: any, ...args: unknown[]) {
    const silent =
      currentContext()?.mode === 'shadow' && typeof args[1] !== 'function' && typeof args[2] !== 'function';
    return silent ? original.call(this, args[0], args[1], () => undefined) : original.apply(this, args);
  };
}

/** Nobody waits for the end of a twin: what shadow work has left undone must not hold up the service's own end. */
function endPool(twin: any): void {
  const connections = Array.from({ length: twin._allConnections.length }, (_, index) =>
    twin._allConnections.get(index),
  );
  twin.end(() => undefined);
  cutOff(connections);
}

/** How long a twin that is ended may work on what it has begun. A stream that nobody reads would keep the process for good. */
const END_MS = 1_000;

function cutOff(connections: readonly any[]): void {
  const busy = connections.filter((one) => one._command);
  if (busy.length === 0) return;
  const timer = setTimeout(() => {
    for (const { stream } of busy) stream.destroy?.();
  }, END_MS);
  timer.unref();
}

/**
 * The twin of a pool, made when the first shadow operation asks for it. It is of the driver's own class: a subclass may have a constructor that
 * goes elsewhere, with an account of its own.
 */
function twinPool(shared: Shared, pool: any, BasePool: any, runtime: AgentRuntime): any {
  let twin = shared.poolTwins.get(keyOf(pool));
  // a closed pool reports that itself
  if (pool._closed || twin?._closed === false) return twin;
  const store = shared.stores.require(pool.config.connectionConfig);
  const config = cloneConfig(pool.config);
  config.connectionConfig = twinConnectionConfig(pool.config.connectionConfig, store, runtime);
  twin = new BasePool({ config });
  shared.twinPools.set(keyOf(twin), store);
  shared.poolTwins.set(keyOf(pool), twin);
  shared.openPools.push(twin);
  // session set-up of the service (SET time_zone …) is meant for every connection
  twin.on('connection', (connection: any) => pool.emit('connection', connection));
  return twin;
}

function wrapConnection(BaseConnection: any, runtime: AgentRuntime): () => void {
  const shared = sharedOf(runtime);
  const { prototype } = BaseConnection;
  let driverAddCommand: (command: any) => any = prototype.addCommand;

  const restores = [
    wrapMethod(prototype, 'addCommand', (original) => {
      driverAddCommand = original;
      return function addCommand(this: any, command: any) {
        const twin = shared.twins.get(keyOf(this));
        if (twin === undefined && runtime.state() === 'idle') return original.call(this, command);
        const kind = kindOf(command);
        if (kind === 'ClientHandshake' || this.config?.isServer) return original.call(this, command);
        try {
          if (twin !== undefined) return issueOnTwin(this, twin, command, kind);
          // whoever ends it (a reaper of idle connections, the driver's own cache): refused, it would stay open on the server for good
          const ends = kind === 'Quit' || kind === 'CloseStatement';
          const context = ends ? undefined : issueMode(runtime, 'mysql command', false);
          if (context !== undefined) {
            const own = standAloneTwin(this, kind);
            return issueOnTwin(own, shared.twins.get(keyOf(own))!, command, kind);
          }
          watchCommand(runtime, shared.stores, command, kind, this);
          if (!pooled(this)) noteTransaction(this, command, kind);
        } catch (error) {
          const refusal = refusalOf(runtime, error);
          if (refusal !== undefined) return deliverRefusal(command, refusal);
          // nothing may reach a shadow connection as it is
          if (twin !== undefined) return deliverRefusal(command, runtime.refuse('AGENT_NOT_READY', String(error)));
        }
        return original.call(this, command);
      };
    }),
    wrapMethod(prototype, 'connect', (original) => {
      return function connect(this: any, callback?: (...args: any[]) => unknown) {
        const store = this._pool ? shared.twinPools.get(keyOf(this._pool)) : undefined;
        if (store !== undefined && !shared.twins.has(keyOf(this))) adopt(this, store);
        if (typeof callback !== 'function' || runtime.state() === 'idle') return original.call(this, callback);
        return original.call(this, bind(callback));
      };
    }),
    wrapMethod(prototype, 'unprepare', (original) => {
      // forgets what the other mode has prepared with the same text, unless it goes where the statement went
      return function unprepare(this: any, ...args: unknown[]) {
        if (currentContext()?.mode !== 'shadow' || shared.twins.has(keyOf(this))) return original.apply(this, args);
        const own = shared.connectionTwins.get(keyOf(this));
        return own === undefined ? undefined : original.apply(own, args);
      };
    }),
    ...['pause', 'resume'].map((name) =>
      wrapMethod(prototype, name, (original) => {
        return function flow(this: any) {
          if (currentContext()?.mode !== 'shadow' || shared.twins.has(keyOf(this))) return original.call(this);
          const own = shared.connectionTwins.get(keyOf(this));
          if (own !== undefined) original.call(own);
          // rows of ordinary work must go on: shadow may only let them
          return name === 'resume' ? original.call(this) : undefined;
        };
      }),
    ),
    ...['end', 'close'].map((name) =>
      wrapMethod(prototype, name, (original) => {
        return function ending(this: any, ...args: unknown[]) {
          const twin = shared.connectionTwins.get(keyOf(this));
          if (twin !== undefined) {
            shared.connectionTwins.delete(keyOf(this));
            twin[name]();
            cutOff([twin]);
          }
          return original.apply(this, args);
        };
      }),
    ),
  ];

  function adopt(connection: any, store: MysqlStore): MysqlTwin {
    const twin = new MysqlTwin(store, runtime);
    shared.twins.set(keyOf(connection), twin);
    twin.start(connection, (command) => driverAddCommand.call(connection, command));
    return twin;
  }

  function issueOnTwin(connection: any, twin: MysqlTwin, command: any, kind: CommandKind): any {
    const context = currentContext();
    if (kind === 'CloseStatement' || kind === 'Quit' || context?.mode !== 'shadow') {
      // the socket belongs to a flagged request: what the answer sets off must not
      bindCommand(command, context, () => undefined);
    }
    if (kind === 'CloseStatement' || kind === 'Quit') return send(connection, command);
    if (context?.mode !== 'shadow') {
      if (kind === 'Ping') return send(connection, command);
      if (kind === 'ResetConnection') {
        twin.ledger.lost();
        twin.forgetRun();
        send(connection, command);
        twin.ask(connection, (own) => send(connection, own));
        return command;
      }
      twin.broken = true;
      const mode = context === undefined ? 'without a context' : 'in an ordinary request';
      throw runtime.refuse('MODE_MISMATCH', `a shadow connection of mysql.${twin.store.name} was used ${mode}`);
    }
    const shadow = runtime.modeOf('mysql command') as ShadowContext;
    const { runId } = twin.ledger;
    if (runId !== undefined && runId !== shadow.flag.runId) {
      twin.broken = true;
      throw runtime.refuse(
        'MODE_MISMATCH',
        `the open transaction belongs to run ${runId}, not to ${shadow.flag.runId}`,
      );
    }
    if (kind === 'other') {
      throw runtime.refuse('SQL_REFUSED', `${command?.constructor?.name} has no shadow rule (changeUser, binlog)`);
    }
    if (kind === 'ResetConnection') twin.forgetRun();
    else if (kind !== 'Ping') twin.enterRun(shadow.flag.runId, connection, (own) => send(connection, own));
    redirectCommand(runtime, twin, command, kind, shadow);
    const sent = send(connection, command);
    if (kind === 'ResetConnection') twin.ask(connection, (own) => send(connection, own));
    return sent;
  }

  /** A closed connection has an addCommand of its own, which reports that. */
  function send(connection: any, command: any): any {
    const closed = connection._addCommandClosedState;
    return (connection.addCommand === closed ? closed : driverAddCommand).call(connection, command);
  }

  /** The shadow twin of a connection that belongs to no pool. */
  function standAloneTwin(connection: any, kind: CommandKind): any {
    if (pooled(connection)) {
      throw runtime.refuse('MODE_MISMATCH', 'a connection that was leased to ordinary work was used in shadow');
    }
    if (openTransactions.has(keyOf(connection))) {
      throw runtime.refuse('MODE_MISMATCH', 'a shadow statement between BEGIN and COMMIT of an ordinary transaction');
    }
    const store = shared.stores.require(connection.config);
    let own = shared.connectionTwins.get(keyOf(connection));
    const state = own === undefined ? undefined : shared.twins.get(keyOf(own));
    if (state !== undefined) {
      // changeUser() of ordinary work has gone to another database since
      const moved = state.store !== store;
      if (moved && state.ledger.open) {
        throw runtime.refuse('MODE_MISMATCH', 'the connection went to another database in a shadow transaction');
      }
      // a lost twin is replaced, unless the service believes to be in a transaction: then it must hear of the loss. One whose handshake failed is
      // closing but takes commands, which nobody answers
      const lost = (state.lost || own._closing) && (kind === 'Query' || kind === 'Prepare') && !state.ledger.open;
      if (!moved && !lost) return own;
      own.end();
    }
    const config = twinConnectionConfig(connection.config, store, runtime);
    // of the driver's own class, as the twin of a pool
    own = runtime.permitted(() => new BaseConnection({ config }));
    shared.connectionTwins.set(keyOf(connection), own);
    adopt(own, store);
    return own;
  }

  return () => {
    for (const restore of restores) restore();
  };
}

function pooled(connection: any): boolean {
  return connection._released !== undefined;
}

/** Stand-alone connections in an ordinary transaction, by what the service said: it need not be exact, it only refuses shadow. */
const openTransactions = new WeakSet<object>();

function noteTransaction(connection: any, command: any, kind: CommandKind): void {
  if (kind !== 'Query' && kind !== 'Prepare') return;
  const sql: unknown = kind === 'Query' ? command.sql : command.query;
  if (typeof sql !== 'string') return;
  const word = firstWord(sql);
  if (word === 'begin' || word === 'start') openTransactions.add(keyOf(connection));
  else if (word === 'commit' || (word === 'rollback' && !/\bto\b/i.test(sql)))
    openTransactions.delete(keyOf(connection));
}

/**
 * A connection of its own for each request is a common pattern. In shadow its real socket is opened too (and serves nothing): the egress guard
 * lets it through to declared stores.
 */
function wrapCreate(exports: any, runtime: AgentRuntime): () => void {
  const shared = sharedOf(runtime);
  const restores = ['createConnection', 'connect']
    .filter((name) => typeof exports[name] === 'function')
    .map((name) =>
      wrapMethod(exports, name, (original) => {
        return function createConnection(this: unknown, ...args: unknown[]) {
          const open = () => original.apply(this, args);
          if (currentContext()?.mode !== 'shadow') return open();
          return shared.stores.find(addressOf(args[0])) === undefined ? open() : runtime.permitted(open);
        };
      }),
    );
  return () => {
    for (const restore of restores) restore();
  };
}

function wrapCluster(PoolCluster: any, runtime: AgentRuntime): () => void {
  // an error counts against the node that gave it, and too many take the node away from ordinary work: refused before a node is chosen
  const wrapped = new WeakSet<object>();
  const refusal = (): ShadowRefusedError | undefined => {
    if (runtime.state() === 'idle') return undefined;
    try {
      if (issueMode(runtime, 'mysql pool cluster', false) === undefined) return undefined;
      return runtime.refuse('STORE_UNDECLARED', 'pool clusters have no shadow twin: use a pool for each node');
    } catch (error) {
      return isRefusal(error) ? error : undefined;
    }
  };
  const wrapNamespace = (prototype: any) => {
    if (wrapped.has(prototype)) return;
    wrapped.add(prototype);
    restores.push(
      wrapMethod(prototype, 'getConnection', (original) => {
        return function getConnection(this: any, callback: (error: unknown) => void) {
          const error = refusal();
          if (error !== undefined) return process.nextTick(bind(callback), error);
          return original.call(this, runtime.state() === 'idle' ? callback : bind(callback));
        };
      }),
      wrapMethod(prototype, 'query', (original) => {
        return function query(this: any, ...args: unknown[]) {
          const command = original.apply(this, args);
          const context = currentContext();
          if (context?.mode === 'shadow' && typeof command?.onResult !== 'function') bindEvents(command, context);
          return command;
        };
      }),
      wrapMethod(prototype, 'execute', withCallback),
    );
  };
  const restores: (() => void)[] = [
    wrapMethod(PoolCluster.prototype, 'of', (original) => {
      return function of(this: any, ...args: unknown[]) {
        const namespace = original.apply(this, args);
        wrapNamespace(Object.getPrototypeOf(namespace));
        return namespace;
      };
    }),
  ];
  return () => {
    for (const restore of restores) restore();
  };
}
