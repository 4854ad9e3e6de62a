import { createHash } from 'node:crypto';
import { connect } from 'node:net';

/**
 * A deliberate leak: it speaks MySQL's wire protocol over a raw socket that was opened at start-up, so neither a driver's wrap nor the egress guard
 * can see what it writes. The leak check must find the rows. Only tests and `npm start -- --leak` switch it on.
 */
export async function openLeak(mysqlUrl: string): Promise<(account: number, text: string) => void> {
  const url = new URL(mysqlUrl);
  const socket = connect({ host: url.hostname, port: Number(url.port) });
  const packets = readPackets(socket);
  const greeting = (await packets.next()).value as Buffer;
  const versionEnd = greeting.indexOf(0, 1);
  const salt = Buffer.concat([
    greeting.subarray(versionEnd + 5, versionEnd + 13),
    greeting.subarray(versionEnd + 32, versionEnd + 44),
  ]);
  const sha1 = (...parts: Buffer[]) => createHash('sha1').update(Buffer.concat(parts)).digest();
  const first = sha1(Buffer.from(decodeURIComponent(url.password)));
  const scrambled = sha1(salt, sha1(first)).map((byte, i) => byte ^ first[i]!);
  const head = Buffer.alloc(32);
  // CLIENT_LONG_PASSWORD | CONNECT_WITH_DB | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH
  head.writeUInt32LE(0x1 | 0x8 | 0x200 | 0x8000 | 0x80000, 0);
  head.writeUInt32LE(1 << 24, 4);
  head[8] = 45;
  const text = (value: string) => Buffer.from(`${value}\0`);
  const auth = [head, text(decodeURIComponent(url.username)), Buffer.from([scrambled.length]), Buffer.from(scrambled)];
  socket.write(packet(1, Buffer.concat([...auth, text(url.pathname.slice(1)), text('mysql_native_password')])));
  const answer = (await packets.next()).value as Buffer;
  if (answer[0] !== 0) throw new Error(`the deliberate leak could not log in: ${answer.subarray(9).toString()}`);
  void drain(packets);
  return (account, note) => {
    const sql = `INSERT INTO notices (account_id, text) VALUES (${account}, '${note.replaceAll("'", "''").replaceAll('\\', '')}')`;
    socket.write(packet(0, Buffer.concat([Buffer.from([3]), Buffer.from(sql)])));
  };
}

function packet(sequence: number, payload: Buffer): Buffer {
  const head = Buffer.from([payload.length & 0xff, (payload.length >> 8) & 0xff, payload.length >> 16, sequence]);
  return Buffer.concat([head, payload]);
}

async function* readPackets(socket: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUIntLE(0, 3)) {
      const end = 4 + buffer.readUIntLE(0, 3);
      yield buffer.subarray(4, end);
      buffer = buffer.subarray(end);
    }
  }
}

async function drain(packets: AsyncGenerator<Buffer>): Promise<void> {
  for await (const answer of packets) {
    if (answer[0] === 0xff) process.stderr.write(`the deliberate leak failed: ${answer.subarray(9).toString()}\n`);
  }
}
