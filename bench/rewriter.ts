/**
 * Cost of SQL redirection in one run: cold rewrites and cache hits beside the lexing pass alone and beside another parser, for
 * short, typical and long statements; growth up to 1 MB; the guard of real traffic; memory.
 * Run: `node --expose-gc dist/bench/rewriter.js [rounds]`, from the root of the repository.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRewriter } from '@shadowline/shadow-db';
import parserModule from 'node-sql-parser/build/mariadb.js';
import type { Lexer as LexerType } from '../shadow-db/mysql/lexer.js';

// the pass alone is no part of the public interface
const { Lexer }: { Lexer: new () => LexerType } = await import(
  pathToFileURL(resolve('shadow-db/dist/mysql/lexer.js')).href
);

const rounds = Number(process.argv[2] ?? 400);
const mode = { ansiQuotes: false, noBackslashEscapes: false };
const context = {
  sqlMode: { ...mode, ignoreSpace: true, pipesAsConcat: false, oracle: false },
  server: 'mariadb',
  charset: 'utf8mb4',
} as const;
const options = { dialect: 'mysql', mode: 'table', database: 'app', tables: { 't_*': 'shadow' } } as const;

/** Each kind: a statement with an own number, so that no text stands twice. */
const kinds: Record<string, (n: number) => string> = {
  short: (n) => `select id, name from t_account where id = ${100_000 + n} limit 1`,
  typical: (n) =>
    `SELECT o.id, o.status, o.total, c.name, c.email, COUNT(i.id) AS items FROM t_order o INNER JOIN t_customer c ON c.id = o.customer_id ` +
    `LEFT JOIN t_item i ON i.order_id = o.id WHERE o.status IN ('open', 'paid') AND o.created_at >= ? AND c.region = ${100_000 + n} ` +
    `GROUP BY o.id, c.id ORDER BY o.created_at DESC LIMIT 50`,
  'typical write': (n) =>
    `INSERT INTO t_transfer (from_account, to_account, amount, currency, reference, status, created_at) ` +
    `VALUES (${100_000 + n}, 2002, 12.50, 'EUR', 'invoice 2024/17 of the 3rd', 'pending', NOW()) ` +
    `ON DUPLICATE KEY UPDATE amount = VALUES(amount), status = VALUES(status), updated_at = CURRENT_TIMESTAMP`,
  '4 KB': (n) =>
    `SELECT t_order.id, t_order.total FROM t_order WHERE t_order.id IN (${Array.from({ length: 490 }, (_, i) => 100_000 + i).join(', ')}) AND n = ${100_000 + n}`,
};
/** So few that a round is shorter than the system's time slice: what others do on the machine then meets few rounds. */
const perRound = 40;

interface Column {
  name: string;
  run: (sql: string) => unknown;
}

/** Microseconds for each text. */
function timeUs(run: (sql: string) => unknown, texts: readonly string[]): number {
  const startNs = process.hrtime.bigint();
  for (const text of texts) run(text);
  return Number(process.hrtime.bigint() - startNs) / 1000 / texts.length;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

const lexer = new Lexer();
const cold = createRewriter({ ...options, cacheSize: 1000 });
const uncached = createRewriter({ ...options, cacheSize: 0 });
const cached = createRewriter({ ...options, cacheSize: 1000 });
const columns: Column[] = [
  { name: 'lexing alone', run: (sql) => lexer.lex(sql, mode) },
  { name: 'cold', run: (sql) => cold.rewrite(sql, context) },
  { name: 'hit', run: (sql) => cached.rewrite(sql, context) },
  { name: 'hit, new text', run: (sql) => cached.rewrite(sql, context) },
];

/** The same characters in another string, flat and without a hash, as a driver makes it. */
function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** Never twice the same, over all kinds and rounds. */
let drawn = 0;

function measure(make: (n: number) => string, roundCount: number): { bytes: number; us: number[] } {
  const times = columns.map((): number[] => []);
  // the statements of one service: they differ in more than a number at one place
  const kept = Array.from({ length: perRound }, (_, index) => copyOf(make(drawn++) + ' '.repeat(index)));
  for (const text of [...kept, ...kept]) cached.rewrite(text, context);
  for (let round = 0; round < roundCount; round += 1) {
    // the columns take turns, so that a slow moment of the machine meets all of them
    const fresh = Array.from({ length: perRound }, () => copyOf(make(drawn++)));
    const again = kept.map(copyOf);
    for (const [index, { name, run }] of columns.entries()) {
      const texts = name === 'hit' ? kept : name === 'hit, new text' ? again : fresh;
      const us = timeUs(run, texts);
      times[index]?.push(us);
    }
  }
  return { bytes: make(drawn).length, us: times.map(median) };
}

// until the compiler has seen every shape and every way through; it runs beside us, so on a busy machine that takes a while
for (let pass = 0; pass < 2; pass += 1) for (const make of Object.values(kinds)) measure(make, 150);

console.log(`Node ${process.version}, medians of ${rounds} rounds in turn, µs for each statement\n`);
const heads = columns.map(({ name }) => name);
console.log(`| statement | bytes | ${heads.join(' | ')} | cold / lexing | hit / cold | new hit / cold |`);
console.log(`|---|--:|${heads.map(() => '--:').join('|')}|--:|--:|--:|`);
const coldUsOf = new Map<string, number>();
for (const [kind, make] of Object.entries(kinds)) {
  const { bytes, us } = measure(make, rounds);
  const [lexUs = 0, coldUs = 0, hitUs = 0, newHitUs = 0] = us;
  coldUsOf.set(kind, coldUs);
  const ratios = [coldUs / lexUs, hitUs / coldUs, newHitUs / coldUs].map((ratio) => ratio.toFixed(2));
  console.log(`| ${kind} | ${bytes} | ${us.map((value) => value.toFixed(2)).join(' | ')} | ${ratios.join(' | ')} |`);
}

/** Behind the others: what it leaves for the garbage collector would be paid by those that take turns with it. */
function measureOther(): void {
  const other = new parserModule.Parser();
  console.log('\n| statement | node-sql-parser | times our cold rewrite | not taken |\n|---|--:|--:|--:|');
  for (const [kind, make] of Object.entries(kinds)) {
    const times: number[] = [];
    let failures = 0;
    const parse = (sql: string): void => {
      try {
        other.parse(sql, { database: 'MariaDB' });
      } catch {
        failures += 1;
      }
    };
    for (let round = -2; round < 15; round += 1) {
      const us = timeUs(
        parse,
        Array.from({ length: 10 }, (_, index) => copyOf(make(round * 10 + index))),
      );
      if (round >= 0) times.push(us);
    }
    const us = median(times);
    const factor = Math.round(us / (coldUsOf.get(kind) ?? us));
    console.log(`| ${kind} | ${us.toFixed(0)} | ${factor} | ${Math.round((100 * failures) / (10 * 17))} % |`);
  }
}

/** Shapes that grow. */
const shapes: Record<string, (bytes: number) => string> = {
  'IN list': (bytes) => `delete from t_a where id in (${'12345,'.repeat(bytes / 6)}1)`,
  'one string': (bytes) => `update t_a set note = '${"it''s so \\\\ ".repeat(bytes / 11)}'`,
  joins: (bytes) =>
    `select 1 from t_a a0${Array.from({ length: bytes / 32 }, (_, i) => ` join t_a a${i + 1} on a${i}.id=1`).join('')}`,
  'rows of INSERT': (bytes) => `insert into t_a (a, b) values ${"(1,'x y'),".repeat(bytes / 10)}(1,'z')`,
  qualifiers: (bytes) => `delete from t_a where ${'t_a.b=1 or '.repeat(bytes / 11)}1`,
  comments: (bytes) => `select ${'/* x */ '.repeat(bytes / 8)}1 from t_a`,
  'unclosed quotes': (bytes) => `select ${'"'.repeat(bytes)} from t_a`,
  brackets: (bytes) => `select ${'('.repeat(bytes)}1 from t_a`,
  unions: (bytes) => `select 1 from t_a${' union select 1 from t_a'.repeat(bytes / 24)}`,
  digits: (bytes) => `select ${'1'.repeat(bytes)} from t_a`,
};
console.log('\nGrowth: ns for each byte, cold, the best of several times, and what the rewriter answers\n');
console.log('| shape | 1 KB | 10 KB | 100 KB | 1 MB | answer |\n|---|--:|--:|--:|--:|---|');
for (const [shape, make] of Object.entries(shapes)) {
  const costs = [1_000, 10_000, 100_000, 1_000_000].map((bytes) => {
    const sql = copyOf(make(bytes));
    const times = Array.from({ length: bytes > 100_000 ? 9 : 60 }, () =>
      timeUs((text) => uncached.rewrite(text, context), [sql]),
    );
    return ((Math.min(...times) * 1000) / sql.length).toFixed(2);
  });
  const result = uncached.rewrite(make(1_000), context);
  console.log(`| ${shape} | ${costs.join(' | ')} | ${result.action === 'refuse' ? result.code : result.action} |`);
}

const guard = median(
  Array.from({ length: rounds }, (_, round) => {
    const texts = Array.from({ length: perRound }, (_, index) =>
      copyOf(kinds.typical?.(1e6 + round * perRound + index) ?? ''),
    );
    return timeUs((sql) => cold.touchesShadowName(sql), texts);
  }),
);
console.log(`\nguard of real traffic, typical statement: ${guard.toFixed(3)} µs`);

globalThis.gc?.();
const before = process.memoryUsage().heapUsed;
const full = createRewriter({ ...options, cacheSize: 1000 });
for (let index = 0; index < 20_000; index += 1) full.rewrite(`select * from t_order where id = ${index}`, context);
globalThis.gc?.();
const heapKib = (process.memoryUsage().heapUsed - before) / 1024;
full.rewrite('select 1', context);
const gc = globalThis.gc ? '' : ' (with garbage: run with --expose-gc)';
console.log(`heap after 20,000 different statements, cache of 1,000: ${Math.round(heapKib)} KiB${gc}`);
measureOther();
