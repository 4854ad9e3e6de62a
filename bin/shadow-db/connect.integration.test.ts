import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Address, connectMysql, connectPostgres } from './connect.js';

const servers: Server[] = [];
let http = 0;
let mysql: Address;
let postgres: Address;

function addressOf(text: string): Address {
  const url = new URL(text);
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const database = url.pathname.slice(1);
  return { store: 'main', host: url.hostname, port: Number(url.port), user, password, database };
}

beforeAll(async () => {
  mysql = addressOf(`${process.env.SHADOWLINE_TEST_MYSQL_URL!}/information_schema`);
  postgres = addressOf(process.env.SHADOWLINE_TEST_POSTGRES_URL!);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  http = (server.address() as { port: number }).port;
});

afterAll(() => {
  for (const server of servers) server.close();
});

const cases: [string, () => Promise<unknown>, RegExp, RegExp][] = [
  ['user', () => connectMysql({ ...mysql, user: 'nobody', password: 's3cret' }), /Access denied/, /user and password/],
  ['database', () => connectMysql({ ...mysql, database: 'nope' }), /nope/, /name of the database/],
  ['port', () => connectMysql({ ...mysql, port: 1 }), /ECONNREFUSED/, /nothing listens/],
  ['host', () => connectMysql({ ...mysql, host: 'no.such.host.invalid' }), /no\.such\.host/, /name/],
  ['protocol', () => connectMysql({ ...mysql, port: http }), /does not greet/, /host and port/],
  ['pg user', () => connectPostgres({ ...postgres, user: 'nobody', password: 's3cret' }), /nobody/, /user and pass/],
  ['pg database', () => connectPostgres({ ...postgres, database: 'nope' }), /nope/, /name of the database/],
  ['pg port', () => connectPostgres({ ...postgres, port: 1 }), /ECONNREFUSED/, /nothing listens/],
  ['pg protocol', () => connectPostgres({ ...postgres, port: mysql.port }), /not PostgreSQL/, /host and port/],
  ['pg and http', () => connectPostgres({ ...postgres, port: http }), /terminated/, /host, account/],
];

describe('an address that is wrong', () => {
  it.each(cases)('%s: cause and remedy, and no password', async (_name, connect, cause, remedy) => {
    const error = (await connect().then(
      () => undefined,
      (reason: unknown) => reason,
    )) as { message: string; hint: string };
    expect(error.message).toMatch(/^store main: \w+@\S+\/\w+ cannot be reached: /);
    expect(error.message).toMatch(cause);
    expect(error.hint).toMatch(remedy);
    expect(error.message + error.hint).not.toContain('s3cret');
  });
});

describe('an address that is right', () => {
  it('answers, with parameters', async () => {
    const one = await connectMysql(mysql);
    expect(await one.query('SELECT ? AS n', [7])).toEqual([{ n: 7 }]);
    await one.close();
    const two = await connectPostgres(postgres);
    expect(await two.query('SELECT $1::int AS n', [7])).toEqual([{ n: 7 }]);
    await two.close();
  });
});
