/**
 * The long fuzz run: generated schemas, data and statements, the original on real tables against the redirected one on shadow
 * tables. A case that is found is made small and saved as a regression test. `npm run fuzz -- --help` tells the rest.
 */
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startServers } from '../orchestrator/servers/servers.js';
import { campaign, type Finding, type Tally } from './fuzz/campaign.js';
import type { Dialect } from './fuzz/dialect.js';
import { MySqlDialect } from './fuzz/mysql/dialect.js';
import { PostgresDialect } from './fuzz/postgres/dialect.js';
import { saveRegression } from './fuzz/regressions.js';

const help = `npm run fuzz -- [options]

Compares original statements on real tables with redirected ones on shadow tables, on a real server: rows, counts, errors, warnings,
the tables' content afterwards; no real table beside the shadow ones may be read or changed. Cases that are found are made small and
saved in shadow-db/fuzz/regressions, from where the integration tests replay them.

  --statements N   how many statements (default 100000)
  --minutes M      end after M minutes, whatever is left
  --seed N         the same seed makes the same statements (default: drawn, and printed)
  --cases N        end after N cases (default 10)
  --dialect NAME   mysql or postgres (default mysql)
  --help           this text

The server: SHADOWLINE_MYSQL_URL or SHADOWLINE_POSTGRES_URL, else one on PATH or the embedded one is started. Databases are named fz_… and dropped, also on Ctrl-C.
Exit code: 0 nothing found, 1 found, 2 wrong use, 3 the run itself failed, 130 interrupted.

Examples:
  npm run fuzz -- --statements 1000000
  npm run fuzz -- --minutes 30 --seed 7
  SHADOWLINE_MYSQL_URL=mysql://root@127.0.0.1:3306 npm run fuzz -- --cases 1
`;

interface Server {
  dialect: Dialect;
  /** It was started for this run: when a statement brings it down, another one takes its place. */
  isOwn: boolean;
  stop(): Promise<void>;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** A server for the dialect; the one that the environment names, else one of its own. */
const servers: Record<string, () => Promise<Server>> = {
  async mysql() {
    const { mysql, stop } = await startServers(say, { leaveOut: ['kafka', 'redis'] });
    return { dialect: new MySqlDialect(mysql.url) as Dialect<any, any>, isOwn: mysql.pid !== undefined, stop };
  },
  async postgres() {
    const { postgres, omissions, stop } = await startServers(say, {
      leaveOut: ['kafka', 'redis'],
      postgres: true,
    });
    if (postgres !== undefined) {
      const dialect = new PostgresDialect(postgres.url) as Dialect<any, any>;
      return { dialect, isOwn: postgres.pid !== undefined, stop };
    }
    await stop();
    throw new Error(omissions.join('; '));
  },
};

interface Options {
  statements: number;
  minutes: number;
  seed: number;
  cases: number;
  dialect: string;
}

class UsageError extends Error {}

function optionsOf(argv: string[]): Options | 'help' {
  const option = { type: 'string' } as const;
  const known = {
    statements: option,
    minutes: option,
    seed: option,
    cases: option,
    dialect: option,
    help: { type: 'boolean' },
  } as const;
  let values: Partial<Record<keyof typeof known, string | boolean>>;
  try {
    ({ values } = parseArgs({ args: argv, options: known }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help === true) return 'help';
  const number = (name: keyof typeof known, preset: number): number => {
    const text = values[name];
    const value = text === undefined ? preset : Number(text);
    if (text === '' || !Number.isFinite(value) || (name !== 'seed' && value <= 0))
      throw new UsageError(`--${name} must be a number above 0, not "${String(text)}"`);
    return value;
  };
  const dialect = String(values.dialect ?? 'mysql');
  if (!(dialect in servers))
    throw new UsageError(`--dialect ${dialect} is not known (${Object.keys(servers).join(', ')})`);
  return {
    statements: number('statements', 100_000),
    minutes: number('minutes', Number.MAX_SAFE_INTEGER),
    seed: number('seed', Math.floor(Math.random() * 2 ** 31)) | 0,
    cases: number('cases', 10),
    dialect,
  };
}

function line(tally: Tally, options: Options, startMs: number): string {
  const seconds = (Date.now() - startMs) / 1000;
  const perSec = tally.statements / Math.max(seconds, 0.001);
  const leftSec = Math.min(
    (options.statements - tally.statements) / Math.max(perSec, 0.001),
    options.minutes * 60 - seconds,
  );
  const refused = Object.entries(tally.refused).sort(([, a], [, b]) => b - a);
  const codes = refused.map(([code, count]) => `${code} ${count}`).join(', ') || 'none';
  const share = (count: number): string => `${((100 * count) / Math.max(tally.statements, 1)).toFixed(2)} %`;
  const refusedCount = refused.reduce((sum, [, count]) => sum + count, 0);
  return `${tally.statements.toLocaleString('en')} statements in ${tally.worlds} schemas, ${Math.round(perSec)}/s, ${Math.max(0, Math.round(leftSec))} s left; errors on both sides ${share(tally.failed)}, excused ${share(tally.excused)}, refused ${share(refusedCount)} (${codes}); cases ${tally.findings.length}`;
}

function report(dialect: Dialect, finding: Finding, path: string): void {
  say(`\n${finding.difference.kind} in a schema of seed ${finding.seed}:`);
  for (const step of finding.steps) say(`  ${dialect.describe(step)}`);
  say(finding.difference.detail);
  say(`saved: ${relative(process.cwd(), path)}`);
}

const maxCrashes = 50;
const noTally: Tally = { statements: 0, ran: 0, failed: 0, excused: 0, refused: {}, worlds: 0, findings: [] };

function sum(one: Tally, two: Tally): Tally {
  const refused = { ...one.refused };
  for (const [code, count] of Object.entries(two.refused)) refused[code] = (refused[code] ?? 0) + count;
  return {
    statements: one.statements + two.statements,
    ran: one.ran + two.ran,
    failed: one.failed + two.failed,
    excused: one.excused + two.excused,
    refused,
    worlds: one.worlds + two.worlds,
    findings: [...one.findings, ...two.findings],
  };
}

async function run(options: Options): Promise<number> {
  const controller = new AbortController();
  let interrupted = false;
  const onSignal = (): void => {
    // the second time nobody waits for the databases to be dropped
    if (interrupted) process.exit(130);
    interrupted = true;
    say('\nstopping after this batch; its databases are dropped. Once more: stop at once, which leaves them.');
    controller.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const start = servers[options.dialect] as () => Promise<Server>;
  let server = await start();
  const folder = join(dirname(fileURLToPath(import.meta.url)), '../../shadow-db/fuzz/regressions');
  const startMs = Date.now();
  const endMs = startMs + options.minutes * 60_000;
  let saidMs = startMs;
  try {
    say(`seed ${options.seed}, up to ${options.statements.toLocaleString('en')} statements`);
    let tally = noTally;
    for (let crashes = 0; ; crashes++) {
      const before = tally;
      const { dialect } = server;
      // another campaign after a crash begins with other schemas, or it would meet the same statement
      const seed = (options.seed + Math.imul(crashes, 0x27d4eb2f)) | 0;
      try {
        await campaign(dialect, {
          statements: options.statements - before.statements,
          seed,
          maxFindings: options.cases - before.findings.length,
          signal: controller.signal,
          onProgress(now) {
            tally = sum(before, now);
            if (Date.now() >= endMs) controller.abort();
            if (Date.now() - saidMs < (process.stderr.isTTY ? 1000 : 10_000)) return;
            saidMs = Date.now();
            say(line(tally, options, startMs));
          },
          onFinding(finding) {
            tally = { ...tally, findings: [...tally.findings, finding] };
            report(dialect, finding, saveRegression(folder, finding));
          },
        });
        break;
      } catch (error) {
        if (!server.isOwn || crashes >= maxCrashes) throw error;
        say(
          `\nthe server is gone (${(error as Error).message.slice(0, 2000)}), in schema ${tally.worlds - before.worlds} of seed ${seed}; another one is started`,
        );
        await dialect.end().catch(() => undefined);
        await server.stop();
        server = await start();
      }
    }
    console.log(line(tally, { ...options, statements: tally.statements }, startMs));
    if (tally.findings.length > 0) return 1;
    return interrupted ? 130 : 0;
  } finally {
    await server.dialect.end().catch(() => undefined);
    await server.stop();
  }
}

async function main(): Promise<void> {
  try {
    const options = optionsOf(process.argv.slice(2));
    if (options === 'help') console.log(help);
    else process.exitCode = await run(options);
  } catch (error) {
    if (error instanceof UsageError) say(`${error.message}. npm run fuzz -- --help lists what there is.`);
    else say(`the fuzz run failed: ${(error as Error).message}`);
    process.exitCode = error instanceof UsageError ? 2 : 3;
  }
}

await main();
