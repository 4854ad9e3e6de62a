import { setTimeout as sleep } from 'node:timers/promises';
import { configVersionOf } from '@shadowline/agent/config';
import type { Audit } from '../leakcheck/audit.js';
import { openRecording } from '../recording/index.js';
import type { RecordingManifest } from '../recording/recording.js';
import { routeOf } from '../recording/routes.js';
import type { Probe } from '../result/schema.js';
import type { FlagIssuer } from '../run/flag-issuer.js';
import { agentConfigOf } from '../scenario/agent-config.js';
import type { Scenario } from '../scenario/scenario.js';
import type { Stores } from '../stores/index.js';
import type { Telemetry } from '../telemetry/index.js';
import { type Coverage, chooseProbes } from './cover.js';
import { negativeProbes, tryNegative } from './negative.js';
import { awaitPresence } from './presence.js';
import { type ProbeAnswer, Prober } from './prober.js';
import { kafkaProblems, mysqlProblems } from './store-checks.js';

export interface PreflightOptions {
  scenario: Scenario;
  runId: string;
  canary: string;
  issuer: FlagIssuer;
  telemetry: Telemetry;
  stores: Stores;
  /** Stores that could not be opened. */
  storeProblems: string[];
  audit: Audit;
  signal: AbortSignal | undefined;
  /** Shows what is being checked. */
  say(text: string): void;
}

export interface PreflightReport {
  /** All at once; empty when the run may start. */
  problems: string[];
  notes: string[];
  manifest: RecordingManifest | undefined;
  probes: Probe[];
  /** The service that answers at the target. */
  entry: string | undefined;
  /** Refusals that were provoked on purpose, by code. */
  provoked: Record<string, number>;
  /** Kept for the load: plays single requests that keep agents armed. */
  prober: Prober | undefined;
  /** A path that only reads. */
  harmlessPath: string;
}

const PRESENCE_MS = 8_000;
const ACKNOWLEDGE_MS = 15_000;

/**
 * All checks before the load. Nothing flagged is sent before agents, stores and recording are found in order; then flags that must be refused, then one
 * flagged session after the other along each route.
 */
export async function preflight(options: PreflightOptions): Promise<PreflightReport> {
  const { scenario, telemetry, say } = options;
  const report: PreflightReport = {
    problems: [...options.storeProblems],
    notes: [],
    manifest: undefined,
    probes: [],
    entry: undefined,
    provoked: {},
    prober: undefined,
    harmlessPath: '/',
  };
  say('recording, agents and stores');
  const expected = {
    services: scenario.services,
    configVersion: configVersionOf(agentConfigOf(scenario)),
    telemetryUrl: `http://${scenario.telemetry.listen}`,
    ttlMs: scenario.shadow.flag.ttlMs,
  };
  const waiting = { timeoutMs: PRESENCE_MS, signal: options.signal, sleep, now: Date.now };
  const [coverage, absentAtFirst, mysql, kafka] = await Promise.all([
    readCoverage(scenario, report),
    awaitPresence(telemetry.fleet, expected, waiting),
    mysqlProblems(options.stores.mysql),
    kafkaProblems(options.stores.kafka, scenario.shadow.kafka, options.signal),
  ]);
  // A consumer whose shadow topic was missing has said so, and takes it back when the topic is there.
  const absent = kafka.created ? await awaitPresence(telemetry.fleet, expected, waiting) : absentAtFirst;
  report.problems.push(...absent, ...mysql.problems, ...kafka.problems);
  report.notes.push(...mysql.notes, ...kafka.notes);
  if (report.problems.length > 0 || coverage === undefined || options.signal?.aborted) return report;

  await options.audit.begin();
  const reads = coverage.sessions.flatMap((one) => one.records).find((record) => record.method === 'GET');
  report.harmlessPath = reads?.url ?? '/';
  say('flags that the entry must refuse');
  const { header, member } = scenario.shadow.flag;
  const negative = negativeProbes({ runId: options.runId, header, member, token: (ms) => options.issuer.token(ms) });
  for (const probe of negative) report.provoked[probe.code] = (report.provoked[probe.code] ?? 0) + 1;
  report.problems.push(...(await tryNegative(scenario.target, report.harmlessPath, negative)));
  if (report.problems.length > 0 || options.signal?.aborted) return report;

  say(`probes: ${coverage.sessions.length} sessions along ${coverage.routes.length} routes`);
  await probeRoutes(options, coverage, report);
  return report;
}

async function readCoverage(scenario: Scenario, report: PreflightReport): Promise<Coverage | undefined> {
  try {
    const recording = await openRecording(scenario.recording);
    try {
      report.manifest = recording.manifest;
      if (recording.manifest.records === 0) {
        report.problems.push(`the recording ${scenario.recording} is empty. Record or import some traffic first.`);
        return undefined;
      }
      const coverage = await chooseProbes(recording, routeOf);
      report.notes.push(...coverage.notes);
      return coverage;
    } finally {
      await recording.close();
    }
  } catch (error) {
    report.problems.push(`the recording ${scenario.recording} cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

async function probeRoutes(options: PreflightOptions, coverage: Coverage, report: PreflightReport): Promise<void> {
  const { scenario, telemetry, runId, canary, issuer } = options;
  try {
    report.prober = await Prober.open({
      target: scenario.target,
      runId,
      canary,
      transforms: scenario.replay.transforms,
      timeoutMs: scenario.load.timeoutMs,
      headers: () => issuer.headers(),
      routeOf,
    });
  } catch (error) {
    report.problems.push(`transforms: ${(error as Error).message}`);
    return;
  }
  const answers: ProbeAnswer[] = [];
  for (const session of coverage.sessions) {
    if (options.signal?.aborted) return;
    answers.push(...(await report.prober.play(session)));
  }
  await tryOthers(options, coverage, report, answers);
  report.entry = answers.find((answer) => answer.ack !== undefined)?.ack?.split(';')[0];
  const expected = Object.keys(scenario.services);
  const heard = () =>
    new Set(answers.flatMap((answer) => telemetry.claims.acknowledgements(answer.id).map((ack) => ack.service)));
  const topics = () =>
    new Set(
      answers.flatMap((answer) =>
        telemetry.claims.acknowledgements(answer.id).flatMap((ack) => (ack.via === 'kafka' ? ack.service : [])),
      ),
    );
  const untilMs = Date.now() + ACKNOWLEDGE_MS;
  const complete = () =>
    expected.every((service) => heard().has(service)) &&
    answers.every((answer) => answer.status === 0 || telemetry.claims.acknowledgements(answer.id).length > 0);
  while (!complete() && Date.now() < untilMs && !options.signal?.aborted) await sleep(100);
  // What agents refused while they worked on the probes comes with their next metrics.
  await sleep(1_500);
  judge(options, answers, report, heard(), topics());
  // A probe that leaked is one row in a real table; a load that leaks is thousands.
  for (const leak of await options.audit.quick()) {
    report.problems.push(
      `a probe leaked: ${leak.count} rows (${leak.kind}) in the real ${leak.store} ${leak.target}. Some write on its way is not redirected: find it before any load.`,
    );
  }
}

/**
 * A recording holds requests that cannot be repeated: a reference that nothing correlates, a row that the seed does not have. Where a service (not an
 * agent) turned a probe down, other sessions of the route are tried before the route is called broken.
 */
async function tryOthers(
  { signal }: PreflightOptions,
  coverage: Coverage,
  report: PreflightReport,
  answers: ProbeAnswer[],
): Promise<void> {
  const accepted = (answer: ProbeAnswer) => answer.status > 0 && (answer.status < 400 || answer.recordedStatus >= 400);
  for (const route of coverage.routes) {
    const own = () => answers.filter((answer) => answer.route === route);
    const turnedDown = own().filter((answer) => !accepted(answer));
    if (turnedDown.length === 0 || turnedDown.some(isBroken)) continue;
    for (const session of own().some(accepted) ? [] : (coverage.others.get(route) ?? [])) {
      if (signal?.aborted) return;
      const played = await report.prober!.play(session);
      answers.push(...played);
      if (played.some((answer) => answer.route === route && accepted(answer))) break;
    }
    if (!own().some(accepted)) continue;
    const statuses = turnedDown.map((answer) => answer.status).join(', ');
    report.notes.push(
      `route ${route}: ${turnedDown.length} of ${own().length} probes were turned down (${statuses}) and others were not: some requests of the recording cannot be repeated`,
    );
    for (const answer of turnedDown) answer.excused = true;
  }
}

/** Not a matter of the data: nobody answered, the service failed, or an agent or a driver refused (SQL_REFUSED, …). */
function isBroken(answer: ProbeAnswer): boolean {
  return (
    answer.status === 0 || answer.status >= 500 || (answer.code !== undefined && /^[A-Z]+(_[A-Z]+)+$/.test(answer.code))
  );
}

/** Turns answers and acknowledgements into probes and problems, one entry a route. */
function judge(
  { scenario, telemetry }: PreflightOptions,
  answers: readonly ProbeAnswer[],
  report: PreflightReport,
  heard: ReadonlySet<string>,
  consumers: ReadonlySet<string>,
): void {
  const byRoute = new Map<string, Probe>();
  for (const answer of answers) {
    const acknowledgements = telemetry.claims.acknowledgements(answer.id);
    const problem = problemOf(answer, acknowledgements.length);
    const known = byRoute.get(answer.route);
    if (known !== undefined && (known.problem !== undefined || problem === undefined)) {
      for (const ack of acknowledgements) {
        const same = known.acknowledgements.find((one) => one.instance === ack.instance && one.via === ack.via);
        if (same === undefined) known.acknowledgements.push({ ...ack });
        else same.touched = [...new Set([...same.touched, ...ack.touched])];
      }
      continue;
    }
    byRoute.set(answer.route, {
      route: answer.route,
      status: answer.status === 0 ? null : answer.status,
      acknowledgements: acknowledgements.map((ack) => ({ ...ack })),
      ok: problem === undefined,
      ...(problem === undefined ? {} : { problem }),
    });
  }
  report.probes = [...byRoute.values()];
  report.problems.push(...report.probes.flatMap((probe) => (probe.problem === undefined ? [] : [probe.problem])));
  for (const service of Object.keys(scenario.services)) {
    if (heard.has(service)) continue;
    report.problems.push(
      `service ${service}: no probe was acknowledged by it, so nothing proves that the flag reaches it. Record traffic that uses it, see that its callers pass the flag on, or take it out of \`services\`.`,
    );
  }
  if ((scenario.shadow.kafka?.topics.length ?? 0) > 0 && consumers.size === 0) {
    report.notes.push('no consumer acknowledged a probe by message');
  }
  for (const refusal of telemetry.claims.refused()) {
    if (report.provoked[refusal.code] !== undefined && refusal.service === report.entry) continue;
    const example = refusal.example === undefined ? '' : `: ${refusal.example}`;
    report.problems.push(`service ${refusal.service}: its agent refused a probe's work (${refusal.code}${example}).`);
  }
  for (const suspect of telemetry.claims.suspects()) {
    const example = suspect.example === undefined ? '' : `: ${suspect.example}`;
    report.problems.push(`service ${suspect.service}: its agent suspects a leak (${suspect.code}${example}).`);
  }
}

function problemOf(answer: ProbeAnswer, acknowledgements: number): string | undefined {
  const code = answer.code === undefined ? '' : ` ${answer.code}`;
  if (answer.status === 0) return `route ${answer.route}: no answer (${answer.code ?? 'unknown'}).`;
  if (answer.status >= 400 && answer.recordedStatus < 400 && answer.excused !== true) {
    return `route ${answer.route}: a flagged probe was answered ${answer.status}${code}, the recording has ${answer.recordedStatus}. Look at the service's log; are transforms (identity, token) and shadow data in place?`;
  }
  if (acknowledgements === 0) {
    return `route ${answer.route}: answered ${answer.status}, and no agent acknowledged the flag.`;
  }
  return undefined;
}
