/**
 * Cost of SQL redirection: statements per second cold (every text new to the cache) and cached, the guard of real traffic, and
 * memory. Run: `node dist/bench/rewriter.js [rounds]`, from the root of the repository.
 */
import { readFileSync } from 'node:fs';
import { createRewriter } from '@shadowline/shadow-db';

interface Line {
  sql: string;
  kind: string;
  maria: string;
  tables: string[];
}

const rounds = Number(process.argv[2] ?? 20);
const lines = ['orm-mysql', 'shardingsphere-mysql'].flatMap((file) =>
  readFileSync(`shadow-db/fixtures/${file}.jsonl`, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line)
    .filter(({ kind, maria }) => kind === 'dml' && maria.startsWith('ok')),
);
const statements = lines.map(({ sql }) => sql);
const tables = Object.fromEntries(
  lines.flatMap((line) =>
    line.tables.filter((table) => !table.includes('.')).map((table) => [table, 'shadow'] as const),
  ),
);
const context = { sqlMode: { ansiQuotes: false, noBackslashEscapes: false } };
const create = (cacheSize: number) =>
  createRewriter({ dialect: 'mysql', mode: 'table', database: 'app', tables, cacheSize });

/** Statements per second: the median of the rounds, after two rounds that are not counted. */
function rate(run: (sql: string) => unknown): number {
  const rates: number[] = [];
  for (let round = -2; round < rounds; round += 1) {
    const startNs = process.hrtime.bigint();
    for (const sql of statements) run(sql);
    const seconds = Number(process.hrtime.bigint() - startNs) / 1e9;
    if (round >= 0) rates.push(statements.length / seconds);
  }
  return rates.sort((a, b) => a - b)[Math.floor(rates.length / 2)] ?? 0;
}

// a cache of one entry never hits, since no statement stands twice in a row
const cold = create(1);
const cached = create(statements.length);
const rows = [
  ['rewrite, cold', rate((sql) => cold.rewrite(sql, context))],
  ['rewrite, cold, sql_mode unknown', rate((sql) => cold.rewrite(sql))],
  ['rewrite, cached', rate((sql) => cached.rewrite(sql, context))],
  ['guard of real traffic', rate((sql) => cold.touchesShadowName(sql))],
] as const;

globalThis.gc?.();
const before = process.memoryUsage().heapUsed;
const full = create(1000);
for (let index = 0; index < 20_000; index += 1) full.rewrite(`select * from t_order where id = ${index}`, context);
globalThis.gc?.();
const heapKib = (process.memoryUsage().heapUsed - before) / 1024;
full.rewrite('select 1', context);

console.log(`${statements.length} statements of real suites, Node ${process.version}, median of ${rounds} rounds\n`);
console.log('| what | statements/s | µs each |\n|---|---|---|');
for (const [what, perSecond] of rows) {
  console.log(`| ${what} | ${Math.round(perSecond).toLocaleString('en')} | ${(1e6 / perSecond).toFixed(2)} |`);
}
const gc = globalThis.gc ? '' : ' (with garbage: run with --expose-gc)';
console.log(`\nheap after 20,000 different statements, cache of 1,000: ${Math.round(heapKib)} KiB${gc}`);
