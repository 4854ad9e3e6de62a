import type { Fleet, Instance } from '../telemetry/index.js';

export const TELEMETRY_VERSION = '1';

export interface Expected {
  services: Readonly<Record<string, { instances: number }>>;
  configVersion: string;
  /** `http://host:port` for SHADOWLINE_TELEMETRY. */
  telemetryUrl: string;
  ttlMs: number;
}

/** Everything that keeps shadow traffic from being safe as far as agents tell by themselves; empty when all is well. */
export function presenceProblems(fleet: Fleet, expected: Expected): string[] {
  return Object.entries(expected.services).flatMap(([service, { instances }]) =>
    serviceProblems(service, instances, fleet.present(service), expected),
  );
}

function serviceProblems(service: string, asked: number, present: Instance[], expected: Expected): string[] {
  if (present.length === 0) {
    return [
      `service ${service}: no agent was heard. Start it with \`node --import @shadowline/agent/register\`, SHADOWLINE_SERVICE=${service}, SHADOWLINE_CONFIG and SHADOWLINE_TELEMETRY=${expected.telemetryUrl}.`,
    ];
  }
  const problems: string[] = [];
  if (present.length < asked) {
    problems.push(
      `service ${service}: ${present.length} of ${asked} instances were heard. Start the others, or correct \`instances\`.`,
    );
  }
  for (const one of present) {
    const who = `service ${service} (${one.instance})`;
    if (one.state === 'killed') {
      problems.push(
        `${who}: its kill switch is on. Re-arm it when the cause is known: remove the kill file, or POST /rearm.`,
      );
    }
    if (one.problems !== '') problems.push(`${who}: its agent reports: ${one.problems}`);
    if (one.telemetryVersion !== TELEMETRY_VERSION) {
      problems.push(
        `${who}: speaks telemetry version ${one.telemetryVersion || '?'}, this toolkit ${TELEMETRY_VERSION}. Use the same version of both.`,
      );
    }
    if (one.configVersion !== expected.configVersion) {
      problems.push(
        `${who}: runs configuration ${one.configVersion || '(none)'}, the scenario makes ${expected.configVersion}. Write it with \`stress agent-config\` and restart the service.`,
      );
    }
    const differenceMs = Math.abs(one.clockDifferenceMs ?? 0);
    if (differenceMs > expected.ttlMs / 4) {
      problems.push(
        `${who}: its clock differs by ${(differenceMs / 1000).toFixed(1)} s, and flags live ${expected.ttlMs / 1000} s. Synchronize the clocks (NTP).`,
      );
    }
  }
  return problems;
}

/**
 * Waits until every service was heard, then says what is wrong. Idle agents speak every 5 s.
 * @param sleep for tests on virtual time
 */
export async function awaitPresence(
  fleet: Fleet,
  expected: Expected,
  options: {
    timeoutMs: number;
    signal?: AbortSignal | undefined;
    sleep: (ms: number) => Promise<void>;
    now: () => number;
  },
): Promise<string[]> {
  const untilMs = options.now() + options.timeoutMs;
  for (;;) {
    const problems = presenceProblems(fleet, expected);
    if (problems.length === 0 || options.now() >= untilMs || options.signal?.aborted) return problems;
    await options.sleep(200);
  }
}
