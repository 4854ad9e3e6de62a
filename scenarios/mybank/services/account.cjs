// Balances and statements: express, mysql2 with callbacks and ioredis, CommonJS, as many services in banks are.
'use strict';
const express = require('express');
const mysql = require('mysql2');
const Redis = require('ioredis');

const CACHE_S = 2;
const pool = mysql.createPool({ uri: process.env.MYSQL_URL, connectionLimit: 10 });
const redis = process.env.REDIS_URL ? new Redis.Redis(process.env.REDIS_URL) : undefined;
redis?.on('error', (error) => console.error(`redis: ${error.message}`));

const app = express();
app.disable('x-powered-by');

app.get('/health', (_request, response) => response.send('ok'));

app.get('/customers/:id/credentials', (request, response, next) => {
  pool.execute('SELECT pin_digest FROM customers WHERE id = ?', [request.params.id], (error, rows) => {
    if (error) return next(error);
    const customer = /** @type {any[]} */ (rows)[0];
    if (customer === undefined) return response.status(404).json({ error: 'no such customer' });
    return response.json({ pinDigest: customer.pin_digest });
  });
});

app.get('/accounts/:id', async (request, response) => {
  const key = `account:${request.params.id}`;
  const hit = await redis?.get(key);
  if (hit) return response.type('json').send(hit);
  const sql =
    'SELECT id, customer_id AS customer, balance_cents AS balanceCents, currency, city FROM account_overview WHERE id = ?';
  const [rows] = await pool.promise().query(sql, [request.params.id]);
  const account = /** @type {any[]} */ (rows)[0];
  if (account === undefined) return response.status(404).json({ error: 'no such account' });
  const body = JSON.stringify(account);
  await redis?.set(key, body, 'EX', CACHE_S);
  return response.type('json').send(body);
});

app.get('/accounts/:id/statement', async (request, response) => {
  const page = Math.max(0, Math.trunc(Number(request.query.page ?? 0)) || 0);
  const sql = `SELECT s.transfer_id AS transfer, s.amount_cents AS amountCents, s.text, t.memo
    FROM statement_lines AS s LEFT JOIN transfers t ON t.id = s.transfer_id
    WHERE s.account_id = ? ORDER BY s.booked_at DESC, s.transfer_id DESC LIMIT 10 OFFSET ?`;
  const [lines] = await pool.promise().query(sql, [request.params.id, page * 10]);
  return response.json({ account: Number(request.params.id), page, lines });
});

/** @type {import('express').ErrorRequestHandler} */
const answerError = (error, _request, response, _next) => {
  response.status(error.status ?? 500).json({ error: error.message, code: error.code });
};
app.use(answerError);

const server = app.listen(Number(process.env.PORT), '127.0.0.1');
server.keepAliveTimeout = 60_000;
process.once('SIGTERM', () => server.close(() => process.exit(0)));
