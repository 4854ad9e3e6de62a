import type { Chain } from './chain.js';
import type { OrderedTransfer } from './users.js';

export interface Comparison {
  equal: boolean;
  /** For people: what was compared and what came out. */
  lines: string[];
}

/**
 * Compares the real tables, row by row, with the transfers that real users ordered: a missing row is a lost transfer, one too many is a leak.
 * A transfer whose answer never came may be there or not.
 */
export async function compareWithUsers(chain: Chain, ordered: OrderedTransfer[]): Promise<Comparison> {
  const rows = await chain.query<{
    id: number;
    idempotency_key: string;
    from_account: number;
    to_account: number;
    amount_cents: number;
  }>('SELECT id, idempotency_key, from_account, to_account, amount_cents FROM mybank.transfers');
  const found = new Map(rows.map((row) => [row.idempotency_key, row]));
  const problems: string[] = [];
  let unknown = 0;
  for (const order of ordered) {
    const row = found.get(order.idempotencyKey);
    found.delete(order.idempotencyKey);
    if (order.outcome === 'unknown') unknown++;
    else if (order.outcome === 'done' && row === undefined) problems.push(`lost: ${order.idempotencyKey}`);
    else if (order.outcome === 'refused' && row !== undefined)
      problems.push(`done though refused: ${order.idempotencyKey}`);
    if (row !== undefined && !same(row, order)) problems.push(`changed: ${order.idempotencyKey}`);
  }
  for (const key of found.keys()) problems.push(`nobody ordered: ${key}`);
  if (chain.servers.kafka !== undefined) problems.push(...(await checkBooking(chain, rows.length)));
  const notices = await count(chain, 'mybank.notices');
  if (notices !== 0) problems.push(`${notices} rows in notices, which no real user causes`);
  const done = ordered.filter((order) => order.outcome === 'done').length;
  const lines = [
    `users ordered ${ordered.length} transfers: ${done} done, ${unknown} without an answer; real rows: ${rows.length}`,
    ...problems.slice(0, 10),
    problems.length === 0 ? 'real tables hold exactly what real users did' : `${problems.length} differences`,
  ];
  return { equal: problems.length === 0, lines };
}

function same(
  row: { from_account: number; to_account: number; amount_cents: number },
  order: OrderedTransfer,
): boolean {
  return row.from_account === order.from && row.to_account === order.to && row.amount_cents === order.amountCents;
}

/** Two entries, two audit rows and two statement lines a transfer, once the ledger has caught up. */
async function checkBooking(chain: Chain, transfers: number): Promise<string[]> {
  const tables = ['entries', 'entries_audit', 'statement_lines'];
  for (let waitedMs = 0; ; waitedMs += 250) {
    const counts = await Promise.all(tables.map((table) => count(chain, `mybank.${table}`)));
    if (counts.every((rows) => rows === 2 * transfers)) return [];
    if (waitedMs >= 15_000) {
      return tables
        .map((table, i) => `${table}: ${counts[i]} rows for ${transfers} transfers`)
        .filter((_, i) => counts[i] !== 2 * transfers);
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function count(chain: Chain, table: string): Promise<number> {
  const rows = await chain.query<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`);
  return rows[0]?.n ?? 0;
}
