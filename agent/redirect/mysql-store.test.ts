import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { mysqlStore, TestRuntime } from './fixtures/test-runtime.js';
import { addressOf, MysqlStores, twinConnectionConfig } from './mysql-store.js';

const runtime = new TestRuntime({
  mysql: {
    local: mysqlStore({ database: 'bank', host: '127.0.0.1', port: 3307 }),
    remote: mysqlStore({ database: 'bank', host: 'DB.example', port: 3306 }),
    any: mysqlStore({ database: 'ledger' }),
    wrong: mysqlStore({ database: 'wrong', tables: { a_shadow: 'shadow' } }),
  },
});
const stores = new MysqlStores(runtime);

describe('which store a connection belongs to', () => {
  it.each([
    [{ database: 'bank', host: 'localhost', port: 3307 }, 'local'],
    [{ database: 'bank', host: '::1', port: 3307 }, 'local'],
    [{ database: 'bank', host: 'db.EXAMPLE' }, 'remote'],
    [{ database: 'bank', host: 'db.example', port: 3308 }, undefined],
    [{ database: 'ledger', host: 'anywhere', port: 1 }, 'any'],
    [{ database: undefined, host: 'localhost' }, undefined],
    [{ database: 'wrong' }, undefined],
  ])('%p', (address, name) => {
    expect(stores.find(address as any)?.name).toBe(name);
  });

  it('says what is wrong', () => {
    expect(() => stores.require({ database: 'nope', host: 'h', port: 1 })).toThrow(/STORE_UNDECLARED.*"nope" at h:1/);
    expect(() => stores.require({ database: 'wrong' })).toThrow(/AGENT_NOT_READY.*mysql\.wrong.*a_shadow/);
  });

  it.each([
    [
      { database: 'a', host: 'h', port: 1 },
      { database: 'a', host: 'h', port: 1 },
    ],
    ['mysql://u:p@h:1/a%20b', { database: 'a b', host: 'h', port: 1 }],
    [
      { uri: 'mysql://h/a', database: 'c' },
      { database: 'c', host: 'h', port: 3306 },
    ],
    ['not a url', { database: undefined, host: undefined, port: 3306 }],
    [undefined, { database: undefined, host: undefined, port: 3306 }],
  ])('address of %p', (options, address) => {
    expect(addressOf(options)).toEqual(address);
  });
});

describe('options of a twin connection', () => {
  const real = {
    host: 'h',
    port: 1,
    user: 'app',
    password: 'secret',
    password2: 'secret2',
    passwordSha1: 'secret3',
    authSwitchHandler: () => 'secret4',
    authPlugins: { mysql_clear_password: () => 'secret5' },
    database: 'bank',
    socketPath: '/s',
    multipleStatements: true,
    clientFlags: 0xffffff,
    timezone: 'Z',
    pool: {},
  };
  const config = (more: object) => {
    process.env.SHADOWLINE_TEST_SHADOW_PASSWORD = 'shadow';
    const one = new TestRuntime({ mysql: { main: mysqlStore({ database: 'bank', ...more }) } });
    return twinConnectionConfig(real, new MysqlStores(one).require({ database: 'bank' }), one);
  };

  it('have nothing of the real account, and keep the rest', () => {
    const twin = config({});
    expect(twin).toMatchObject({ user: 'root', password: 'shadow', database: 'bank', timezone: 'Z', socketPath: '/s' });
    expect(JSON.stringify(twin)).not.toContain('secret');
    expect([twin.pool, twin.authSwitchHandler, twin.authPlugins]).toEqual([undefined, undefined, undefined]);
    expect(twin.multipleStatements).toBe(false);
    expect(twin.clientFlags & (1 << 16)).toBe(0);
    expect(real.user).toBe('app');
  });

  it('cannot share a socket that the service brings', () => {
    const one = new TestRuntime({ mysql: { main: mysqlStore({ database: 'bank' }) } });
    const store = new MysqlStores(one).require({ database: 'bank' });
    process.env.SHADOWLINE_TEST_SHADOW_PASSWORD = 'shadow';
    expect(() => twinConnectionConfig({ ...real, stream: new PassThrough() }, store, one)).toThrow(
      /AGENT_NOT_READY.*"stream".*function/,
    );
    const open = () => new PassThrough();
    expect(twinConnectionConfig({ ...real, stream: open }, store, one).stream).toBe(open);
  });

  it('go to the shadow schema, or to the shadow server', () => {
    expect(config({ mode: 'schema', schema: 'bank_shadow' }).database).toBe('bank_shadow');
    const instance = config({ mode: 'instance', instance: 'shadow.example:3310' });
    expect(instance).toMatchObject({ host: 'shadow.example', port: 3310, socketPath: undefined, database: 'bank' });
    expect(() => config({ mode: 'instance', instance: 'nowhere' })).toThrow(/AGENT_NOT_READY.*host:port/);
  });
});
