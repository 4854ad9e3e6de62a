/**
 * Cost of SQL redirection for PostgreSQL in one run: cold rewrites and cache hits beside their parts (the lexing pass, the server's
 * parser with the reading of its tree) and beside another parser; growth up to 1 MB; memory.
 * Run: `node --expose-gc dist/bench/rewriter-postgres.js [rounds]`, from the root of the repository.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRewriter, loadParser } from '@shadowline/shadow-db/postgres';
import parserModule from 'node-sql-parser/build/postgresql.js';
import type * as LexerModule from '../shadow-db/postgres/lexer.js';
import type * as ParserModule from '../shadow-db/postgres/parser.js';

// the parts are no part of the public interface
const part = (name: string): string => pathToFileURL(resolve(`shadow-db/dist/postgres/${name}.js`)).href;
const { lex }: typeof LexerModule = await import(part('lexer'));
const { parseTree }: typeof ParserModule = await import(part('parser'));

const rounds = Number(process.argv[2] ?? 15);
const perRound = 200;
const context = { standardConformingStrings: true };
const options = { dialect: 'postgres', mode: 'table', database: 'public', tables: { 't_*': 'shadow' } } as const;

/** Each kind: a statement with an own number, so that no text stands twice. */
const kinds: Record<string, (n: number) => string> = {
  short: (n) => `select id, name from t_account where id = ${100_000 + n} limit 1`,
  typical: (n) =>
    `SELECT o.id, o.status, o.total, c.name, c.email, COUNT(i.id) AS items FROM t_order o INNER JOIN t_customer c ON c.id = o.customer_id ` +
    `LEFT JOIN t_item i ON i.order_id = o.id WHERE o.status IN ('open', 'paid') AND o.created_at >= $1 AND c.region = ${100_000 + n} ` +
    `GROUP BY o.id, c.id ORDER BY o.created_at DESC LIMIT 50`,
  'typical write': (n) =>
    `INSERT INTO t_transfer (from_account, to_account, amount, currency, reference, status, created_at) ` +
    `VALUES (${100_000 + n}, 2002, 12.50, 'EUR', 'invoice 2024/17 of the 3rd', 'pending', NOW()) ` +
    `ON CONFLICT (reference) DO UPDATE SET amount = EXCLUDED.amount, status = EXCLUDED.status RETURNING id`,
  '4 KB': (n) =>
    `SELECT t_order.id, t_order.total FROM t_order WHERE t_order.id IN (${Array.from({ length: 490 }, (_, i) => 100_000 + i).join(', ')}) AND n = ${100_000 + n}`,
};

/** Microseconds for each text. */
function timeUs(run: (sql: string) => unknown, texts: readonly string[]): number {
  const startNs = process.hrtime.bigint();
  for (const text of texts) run(text);
  return Number(process.hrtime.bigint() - startNs) / 1000 / texts.length;
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
/** The same characters in another string, flat and without a hash, as a driver makes it. */
const copyOf = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');

await loadParser();
const cold = createRewriter({ ...options, cacheSize: 0 });
const cached = createRewriter({ ...options, cacheSize: 2 * perRound });
const other = new parserModule.Parser();
let failures = 0;
const columns: { name: string; run: (sql: string) => unknown }[] = [
  { name: 'lexing alone', run: (sql) => lex(sql, true) },
  { name: 'libpg-query alone', run: parseTree },
  { name: 'cold', run: (sql) => cold.rewrite(sql, context) },
  { name: 'hit', run: (sql) => cached.rewrite(sql, context) },
  {
    name: 'node-sql-parser',
    run: (sql) => {
      try {
        return other.parse(sql, { database: 'Postgresql' });
      } catch {
        failures += 1;
        return undefined;
      }
    },
  },
];

function measure(make: (n: number) => string): { bytes: number; us: number[] } {
  const times = columns.map((): number[] => []);
  let n = 0;
  for (let round = -3; round < rounds; round += 1) {
    // the columns take turns, so that a slow moment of the machine meets all of them
    const fresh = Array.from({ length: perRound }, () => copyOf(make(n++)));
    // the cache keeps few of the texts that differ in one number only
    const kept = fresh.slice(0, 50);
    for (const text of kept) cached.rewrite(text, context);
    const again = kept.map(copyOf);
    for (const [index, { name, run }] of columns.entries()) {
      const texts = name === 'node-sql-parser' ? fresh.slice(0, 20) : name === 'hit' ? again : fresh;
      const us = timeUs(run, texts);
      if (round >= 0) times[index]?.push(us);
    }
  }
  return { bytes: make(n).length, us: times.map(median) };
}

console.log(`Node ${process.version}, medians of ${rounds} rounds in turn, µs for each statement\n`);
console.log(`| statement | bytes | ${columns.map(({ name }) => name).join(' | ')} | cold / libpg-query | hit / cold |`);
console.log(`|---|--:|${columns.map(() => '--:').join('|')}|--:|--:|`);
for (const [kind, make] of Object.entries(kinds)) {
  const { bytes, us } = measure(make);
  const [, parseUs = 0, coldUs = 0, hitUs = 0] = us;
  const ratios = [coldUs / parseUs, hitUs / coldUs].map((ratio) => ratio.toFixed(3));
  console.log(`| ${kind} | ${bytes} | ${us.map((value) => value.toFixed(1)).join(' | ')} | ${ratios.join(' | ')} |`);
}
if (failures > 0) console.log(`\nnode-sql-parser did not take ${failures} texts`);

/** Shapes that grow. */
const shapes: Record<string, (bytes: number) => string> = {
  'IN list': (bytes) => `delete from t_a where id in (${'12345,'.repeat(bytes / 6)}1)`,
  'one string': (bytes) => `update t_a set note = '${"it''s so \\\\ ".repeat(bytes / 11)}'`,
  'rows of INSERT': (bytes) => `insert into t_a (a, b) values ${"(1,'x y'),".repeat(bytes / 10)}(1,'z')`,
  qualifiers: (bytes) => `delete from t_a where ${'t_a.b=1 or '.repeat(bytes / 11)}true`,
  tables: (bytes) => `select 1 from t_a ${Array.from({ length: bytes / 10 }, (_, i) => `, t_a x${i}`).join('')}`,
  brackets: (bytes) => `select ${'('.repeat(bytes)}1 from t_a`,
  'unclosed quotes': (bytes) => `select ${'"'.repeat(bytes)} from t_a`,
};
console.log('\nGrowth: ns for each byte, cold, and what the rewriter answers\n');
console.log('| shape | 1 KB | 10 KB | 100 KB | 1 MB | answer |\n|---|--:|--:|--:|--:|---|');
for (const [shape, make] of Object.entries(shapes)) {
  const costs = [1_000, 10_000, 100_000, 1_000_000].map((bytes) => {
    const sql = copyOf(make(bytes));
    const times = Array.from({ length: bytes > 100_000 ? 3 : 15 }, () =>
      timeUs(() => cold.rewrite(`${sql} `, context), ['']),
    );
    return ((median(times) * 1000) / sql.length).toFixed(0);
  });
  const result = cold.rewrite(make(1_000), context);
  console.log(`| ${shape} | ${costs.join(' | ')} | ${result.action === 'refuse' ? result.code : result.action} |`);
}

globalThis.gc?.();
const before = process.memoryUsage();
const full = createRewriter({ ...options, cacheSize: 1000 });
for (let index = 0; index < 50_000; index += 1) full.rewrite(`select * from t_order where id = ${index}`, context);
globalThis.gc?.();
const after = process.memoryUsage();
full.rewrite('select 1', context);
const signed = new Intl.NumberFormat('en', { signDisplay: 'exceptZero', maximumFractionDigits: 0 });
const heapKib = (after.heapUsed - before.heapUsed) / 1024;
const residentMib = (after.rss - before.rss) / 1024 / 1024;
console.log(
  `\nafter 50,000 different statements, cache of 1,000: heap ${signed.format(heapKib)} KiB, resident ${signed.format(residentMib)} MiB`,
);
