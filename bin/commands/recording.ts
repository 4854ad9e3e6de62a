import type { CommandModule } from 'yargs';
import {
  completenessNotes,
  inspectRecording,
  type QueryValue,
  queryRecording,
  readCompleteness,
  routeOf,
  summarizeCorrelations,
} from '../../orchestrator/recording/index.js';
import { tellingRecordingErrors } from '../recording-errors.js';
import { completenessLines, count, duration, time } from '../recording-summary.js';
import { table } from '../table.js';
import { print } from '../terminal.js';

interface Arguments {
  dir: string;
  json: boolean;
  quiet: boolean;
}

/** Routes that are shown; `--json` has all. */
const ROUTES_SHOWN = 20;

const inspect: CommandModule<object, Arguments> = {
  command: 'inspect <dir>',
  describe: 'Requests, sessions, rates, routes and statuses',
  builder: (cli) => withDir(cli).example('$0 recording inspect ./recording --json', 'For scripts') as never,
  async handler({ dir, json }) {
    const found = await tellingRecordingErrors(() => inspectRecording(dir));
    if (json) {
      print(JSON.stringify(found));
      return;
    }
    const { manifest, spanS, ratePerSec, routes, statuses, latencyUs } = found;
    const { records, sessions, source, fromUs, toUs, shards, notes } = manifest;
    const lines = [
      `${dir}: ${count(records, 'request')} of ${count(sessions, 'session')}, from ${source}, ${count(shards, 'shard')}`,
    ];
    if (records === 0) {
      print([...lines, 'It is empty: there is nothing to replay.', ...notes].join('\n'));
      return;
    }
    lines.push(`span      ${time(fromUs)} to ${time(toUs)} (${duration(spanS)})`);
    const { mean, p50, p99, max } = ratePerSec;
    lines.push(`rate      mean ${mean.toPrecision(3)}/s, p50 ${p50}/s, p99 ${p99}/s, busiest second ${max}`);
    if (latencyUs !== null) {
      const ms = (us: number) => `${(us / 1000).toPrecision(3)} ms`;
      lines.push(`latency   p50 ${ms(latencyUs.p50)}, p99 ${ms(latencyUs.p99)}, max ${ms(latencyUs.max)}`);
    }
    lines.push(
      `statuses  ${Object.entries(statuses)
        .map(([status, n]) => `${status}: ${n}`)
        .join(', ')}`,
      '',
    );
    const rows = routes
      .slice(0, ROUTES_SHOWN)
      .map(({ route, count: n, share }) => [String(n), `${(share * 100).toFixed(1)}%`, route]);
    lines.push(...table(['requests', 'share', 'route'], rows));
    if (routes.length > ROUTES_SHOWN) lines.push(`… ${routes.length - ROUTES_SHOWN} more routes (--json has all)`);
    print([...lines, ...notes.map((text) => `note: ${text}`)].join('\n'));
  },
};

const query: CommandModule<object, Arguments & { sql: string }> = {
  command: 'query <sql> <dir>',
  describe: 'Ask the table `requests` with one SELECT',
  builder: (cli) =>
    withDir(cli.positional('sql', { type: 'string', demandOption: true, describe: 'A SELECT; DuckDB is what answers' }))
      .example(
        '$0 recording query "SELECT route, count(*) AS n FROM requests GROUP BY 1 ORDER BY 2 DESC LIMIT 5" ./recording',
        '',
      )
      .example(
        '$0 recording query "SELECT time, url FROM requests WHERE status >= 500" ./recording --json',
        'One JSON object a line',
      )
      .epilogue(
        'Columns: time (timestamp, UTC), t_us, session, seq, method, url, route, headers, body, status, latency_us, response_headers, response_body, response_digest, shard.',
      ) as never,
  async handler({ sql, dir, json }) {
    const { columns, rows } = await tellingRecordingErrors(() => queryRecording(dir, sql));
    if (json) {
      const lines = rows.map((row) =>
        JSON.stringify(Object.fromEntries(columns.map((name, i) => [name, row[i] ?? null]))),
      );
      if (lines.length > 0) print(lines.join('\n'));
      return;
    }
    print(
      table(
        columns,
        rows.map((row) => row.map(cell)),
      ).join('\n'),
    );
  },
};

const completeness: CommandModule<object, Arguments> = {
  command: 'completeness <dir>',
  describe: 'What was captured, what is in the recording, why the rest is not',
  builder: (cli) => withDir(cli).example('$0 recording completeness ./recording', '') as never,
  async handler({ dir, json }) {
    const report = await tellingRecordingErrors(() => readCompleteness(dir));
    if (json) {
      print(JSON.stringify(report));
      return;
    }
    const complete =
      completenessNotes(report).length === 0 ? ['complete: all that was captured is in the recording'] : [];
    print([...completenessLines(report), ...complete].join('\n'));
  },
};

const correlate: CommandModule<object, Arguments> = {
  command: 'correlate <dir>',
  describe: 'Values of recorded responses that later requests of the session used',
  builder: (cli) =>
    withDir(cli).example(
      '$0 recording correlate ./recording',
      'What `correlate: auto` would replace by live values',
    ) as never,
  async handler({ dir, json }) {
    const found = await tellingRecordingErrors(() => summarizeCorrelations(dir, routeOf));
    if (json) {
      print(JSON.stringify(found));
      return;
    }
    const { kinds, sessions, cutSessions } = found;
    if (kinds.length === 0) {
      print(
        `no correlation in ${count(sessions, 'session')}: no later request used a value out of a recorded response`,
      );
      return;
    }
    const rows = kinds.map(({ count: n, sessions: in_, fromRoute, fromField, toRoute, toField, example }) => [
      String(n),
      String(in_),
      `${fromRoute} ${fromField}`,
      `${toRoute} ${toField}`,
      example,
    ]);
    const lines = table(['times', 'sessions', 'response of', 'used by', 'for example'], rows);
    if (cutSessions > 0) lines.push(`${count(cutSessions, 'session')} looked at in part only: too many requests`);
    print(lines.join('\n'));
  },
};

function withDir<T>(cli: import('yargs').Argv<T>) {
  return cli
    .positional('dir', { type: 'string', demandOption: true, describe: 'Folder of the recording' })
    .option('json', { type: 'boolean', default: false, describe: 'Print as JSON' })
    .option('quiet', { type: 'boolean', default: false, describe: 'Print results only' });
}

function cell(value: QueryValue): string {
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const recording: CommandModule = {
  command: 'recording',
  describe: 'Look into a recording',
  builder: (cli) =>
    cli
      .command(inspect as CommandModule)
      .command(query as CommandModule)
      .command(completeness as CommandModule)
      .command(correlate as CommandModule)
      .demandCommand(1, 'say which: inspect, query, completeness or correlate'),
  handler: () => undefined,
};

export default recording;
