import { createServer } from 'node:http';
import { type EachBatchPayload, Kafka, logLevel } from 'kafkajs';
import mysql from 'mysql2/promise';
import { setting } from './setting.js';

/** Double-entry bookkeeping: a kafkajs consumer that takes batches and writes each in one transaction. Repeated messages change nothing. */
const pool = mysql.createPool({ uri: setting('MYSQL_URL'), connectionLimit: 6 });
const kafka = new Kafka({ clientId: 'ledger', brokers: [setting('KAFKA_BROKERS')], logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: 'ledger', sessionTimeout: 10_000, heartbeatInterval: 1000 });

interface Transfer {
  id: number;
  from: number;
  to: number;
  amountCents: number;
  memo?: string;
}

async function book(transfers: Transfer[]): Promise<void> {
  const entries = transfers.flatMap((t) => [
    [t.id, t.from, 'debit', t.amountCents],
    [t.id, t.to, 'credit', t.amountCents],
  ]);
  const lines = transfers.flatMap((t) => [
    [t.from, t.id, -t.amountCents, `to ${t.to}`],
    [t.to, t.id, t.amountCents, `from ${t.from}`],
  ]);
  const connection = await pool.getConnection();
  try {
    await connection.beginTransaction();
    await connection.query('INSERT IGNORE INTO entries (transfer_id, account_id, side, amount_cents) VALUES ?', [
      entries,
    ]);
    // The booking time is the transfer's own, so that a repeated message hits the primary key.
    await connection.query(
      `INSERT IGNORE INTO statement_lines (account_id, transfer_id, amount_cents, text, booked_at)
       SELECT l.account_id, l.transfer_id, l.amount_cents, l.text, t.created_at FROM (${lines
         .map(() => 'SELECT ? AS account_id, ? AS transfer_id, ? AS amount_cents, ? AS text')
         .join(' UNION ALL ')}) AS l JOIN transfers AS t ON t.id = l.transfer_id`,
      lines.flat(),
    );
    await connection.commit();
  } catch (error) {
    await connection.rollback().catch(() => undefined);
    throw error;
  } finally {
    connection.release();
  }
}

async function eachBatch({ batch, resolveOffset, heartbeat }: EachBatchPayload): Promise<void> {
  const transfers = batch.messages.map((message) => JSON.parse(String(message.value)) as Transfer);
  for (let at = 0; at < transfers.length; at += 100) await book(transfers.slice(at, at + 100));
  const last = batch.messages.at(-1);
  if (last !== undefined) resolveOffset(last.offset);
  await heartbeat();
}

await consumer.connect();
await consumer.subscribe({ topic: 'transfer.created', fromBeginning: true });
await consumer.run({ eachBatch });

createServer((_request, response) => response.end('ok')).listen(Number(setting('PORT')), '127.0.0.1');
process.once('SIGTERM', async () => {
  await consumer.disconnect();
  process.exit(0);
});
