import Fastify from 'fastify';
import { Kafka, logLevel } from 'kafkajs';
import mysql from 'mysql2/promise';
import { setting } from './setting.js';

/** Transfers: fastify, mysql2 transactions and a kafkajs producer. A repeated idempotency key gets the first answer. */
const pool = mysql.createPool({ uri: setting('MYSQL_URL'), connectionLimit: 16 });
const brokers = process.env.KAFKA_BROKERS;
const producer = brokers
  ? new Kafka({ clientId: 'payment', brokers: [brokers], logLevel: logLevel.ERROR }).producer({
      allowAutoTopicCreation: false,
    })
  : undefined;
await producer?.connect();

// A deliberate leak for tests of the leak check: see leak.ts.
const leak =
  process.env.MYBANK_LEAK === '1' ? await (await import('./leak.js')).openLeak(setting('MYSQL_URL')) : undefined;

interface TransferRequest {
  from: number;
  to: number;
  amountCents: number;
  memo?: string;
  idempotencyKey: string;
}

const app = Fastify({ keepAliveTimeout: 60_000 });
app.get('/health', () => 'ok');

const id = { type: 'integer', minimum: 1 };
const body = {
  type: 'object',
  required: ['from', 'to', 'amountCents', 'idempotencyKey'],
  properties: {
    from: id,
    to: id,
    amountCents: id,
    memo: { type: 'string', maxLength: 140 },
    idempotencyKey: { type: 'string', minLength: 1, maxLength: 190 },
  },
} as const;

app.post<{ Body: TransferRequest }>('/transfers', { schema: { body } }, async (request, reply) => {
  const transfer = request.body;
  const connection = await pool.getConnection();
  let transferId: number;
  try {
    await connection.beginTransaction();
    // Accounts are locked in the order of their ids, so two opposite transfers cannot deadlock.
    const legs: [account: number, cents: number][] = [
      [transfer.from, -transfer.amountCents],
      [transfer.to, transfer.amountCents],
    ];
    legs.sort((a, b) => a[0] - b[0]);
    for (const [account, cents] of legs) {
      const [changed] = await connection.execute<mysql.ResultSetHeader>(
        'UPDATE accounts SET balance_cents = balance_cents + ? WHERE id = ? AND balance_cents + ? >= 0',
        [cents, account, cents],
      );
      if (changed.affectedRows !== 1) {
        await connection.rollback();
        return await reply
          .code(422)
          .send({ error: cents < 0 ? 'not enough money or no such account' : 'no such account' });
      }
    }
    const [inserted] = await connection.execute<mysql.ResultSetHeader>(
      'INSERT INTO transfers (idempotency_key, from_account, to_account, amount_cents, memo) VALUES (?, ?, ?, ?, ?)',
      [transfer.idempotencyKey, transfer.from, transfer.to, transfer.amountCents, transfer.memo ?? ''],
    );
    transferId = inserted.insertId;
    await connection.commit();
  } catch (error) {
    await connection.rollback().catch(() => undefined);
    if ((error as { code?: string }).code !== 'ER_DUP_ENTRY') throw error;
    const [rows] = await connection.query<mysql.RowDataPacket[]>('SELECT id FROM transfers WHERE idempotency_key = ?', [
      transfer.idempotencyKey,
    ]);
    return await reply.code(200).send({ id: rows[0]?.id, repeated: true });
  } finally {
    connection.release();
  }
  await producer?.send({
    topic: 'transfer.created',
    messages: [{ key: String(transfer.from), value: JSON.stringify({ ...transfer, id: transferId }) }],
  });
  leak?.(transfer.to, `You got money: ${transfer.memo ?? ''} (${transfer.idempotencyKey})`);
  return reply.code(201).send({ id: transferId });
});

app.get<{ Params: { id: string } }>('/transfers/:id', async (request, reply) => {
  const [rows] = await pool.query<mysql.RowDataPacket[]>(
    'SELECT t.id, t.from_account AS `from`, t.to_account AS `to`, t.amount_cents AS amountCents, t.memo FROM transfers t WHERE t.id = ?',
    [request.params.id],
  );
  if (rows[0] === undefined) return reply.code(404).send({ error: 'no such transfer' });
  return rows[0];
});

await app.listen({ port: Number(setting('PORT')), host: '127.0.0.1' });
process.once('SIGTERM', async () => {
  await app.close();
  await producer?.disconnect();
  process.exit(0);
});
