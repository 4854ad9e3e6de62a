import type { Candidate, Survey } from './survey.js';

/** YAML of a first scenario, with comments that say what to fill in. What is guessed from the recording is marked as a guess. */
export function scenarioText(survey: Survey, given: { name: string; target: string; recording: string }): string {
  const seconds = survey.lastUs / 1e6;
  const rate = seconds > 0 ? survey.requests / seconds : survey.requests;
  const steady = Math.max(1, Math.round(rate));
  const lines = [
    '# Written by `stress init`. docs/formats/scenario.md explains every key; `stress validate` checks them.',
    'version: 1',
    `name: ${given.name}`,
    `target: ${quoted(given.target)} # the entry`,
    `recording: ${quoted(given.recording)}`,
    '#',
    `# ${survey.requests} requests of ${survey.sessions} sessions in ${seconds.toFixed(0)} s, ${rate.toFixed(1)}/s on average:`,
    ...survey.routes.slice(0, 12).map(({ route, count }) => `#   ${String(count).padStart(7)}  ${route}`),
    '',
    'services: # TODO every service that runs the agent; the preflight must hear from each',
    '  entry: { layer: channel }',
    '',
    'shadow:',
    '  flag: { ttl: 60s, key: env:SHADOWLINE_KEY } # `stress keys make` makes a key',
    '  # TODO each database that the services write. The URL is that of an account that may read all and make shadow tables.',
    '  # mysql:',
    '  #   main:',
    '  #     url: env:MYSQL_URL',
    '  #     account: { user: shadow_rw, passwordEnv: SHADOW_DB_PASSWORD }',
    '  #     tables: { shadow: [orders], realRead: [branches], refuse: [] }',
    '  # TODO topics and caches, where there are any',
    '  # kafka: { brokers: ["127.0.0.1:9092"], topics: [order.created] }',
    '  # redis: { url: env:REDIS_URL }',
    '  egress: # what flagged requests may call; all else is refused',
    '    default: deny',
    '    hosts: {} # TODO "127.0.0.1:8081": propagate, for each service of yours',
    '',
    'replay:',
    '  speed: 1',
    '  think: recorded',
    ...transforms(survey),
    '',
    'load:',
    '  # Without stages the recording is replayed as it was. These double its rate, and hold it:',
    '  stages:',
    `    - { to: ${steady}/s, in: 10s }`,
    '    - { hold: 30s }',
    `    - { to: ${steady * 2}/s, in: 10s }`,
    '    - { hold: 30s }',
    '',
    'slo: # TODO what you promise',
    '  - p99(response) < 300ms',
    '  - errors < 0.1%',
    '',
    'guardrails: # real users come first',
    '  - real p99 < 1.2x baseline for 10s',
    '  - real errors < baseline + 0.1% for 5s',
    '  - generator lateness p99 < 5ms',
  ];
  return `${lines.join('\n')}\n`;
}

/** Guesses are written out where they are safe, and commented out where only people know. */
function transforms(survey: Survey): string[] {
  const { login } = survey;
  const lines: string[] = [];
  if (login !== undefined)
    lines.push(`    - { token: { login: ${login.route}, field: ${quoted(login.field)} } } # seen in the recording`);
  lines.push(
    ...fields(survey.unique).map(
      (field) => `    - { canary: { field: ${quoted(field)} } } # keeps these unique, and finds leaks`,
    ),
  );
  const identities = fields(survey.identities).map(
    (field) => `    # - { identity: { field: ${quoted(field)}, into: 9000000-9999999 } }`,
  );
  if (identities.length > 0)
    identities.unshift('    # TODO these look like identities: map them into a range that no real user has');
  if (lines.length === 0) return identities.length === 0 ? [] : ['  transform: []', ...identities];
  return ['  transform:', ...lines, ...identities];
}

function fields(candidates: Candidate[]): string[] {
  return [...new Set(candidates.map((one) => one.field))].slice(0, 8);
}

/** As a YAML scalar: in double quotes unless it is plainly harmless. */
function quoted(text: string): string {
  return /^[A-Za-z0-9_./][A-Za-z0-9_./-]*$/.test(text) ? text : JSON.stringify(text);
}
