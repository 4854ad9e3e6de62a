import type { Edge, Service } from '../result/schema.js';
import type { Scenario } from '../scenario/scenario.js';
import type { Telemetry } from '../telemetry/index.js';

/** Services as they were heard. `atS` turns a wall clock time into seconds of the load. */
export function servicesOf(scenario: Scenario, telemetry: Telemetry, atS: (ms: number) => number): Service[] {
  const names = new Set([...Object.keys(scenario.services), ...telemetry.fleet.all().map((one) => one.service)]);
  return [...names].map((name) => {
    const heard = telemetry.fleet.of(name);
    const highest = (values: (number | undefined)[]) => {
      const known = values.filter((value) => value !== undefined);
      return known.length === 0 ? null : Math.max(...known);
    };
    const lost = heard.flatMap((one) => (one.lostAtMs === undefined ? [] : [one.lostAtMs]));
    return {
      name,
      layer: scenario.services[name]?.layer ?? null,
      instances: heard.length,
      agentVersions: [...new Set(heard.map((one) => one.agentVersion))],
      configVersions: [...new Set(heard.map((one) => one.configVersion))],
      cpuShareMax: highest(heard.map((one) => one.cpuShareMax)),
      eventLoopUtilizationMax: highest(heard.map((one) => one.eventLoopUtilizationMax)),
      lostAtS: lost.length === 0 ? null : Math.max(0, atS(Math.min(...lost))),
    };
  });
}

/** Edges of the shadow traffic. Calls per entry request are the visits V_i = calls / requests at the entry. */
export function edgesOf(telemetry: Telemetry, entry: string | undefined): Edge[] {
  const services = new Set(telemetry.fleet.all().map((one) => one.service));
  const entryRequests = entry === undefined ? 0 : telemetry.traffic.served(entry).count;
  const per = (calls: number) => (entryRequests === 0 ? 0 : calls / entryRequests);
  const edges: Edge[] = [];
  if (entry !== undefined && entryRequests > 0) {
    const tally = telemetry.traffic.served(entry);
    edges.push({
      from: 'users',
      to: entry,
      protocol: 'http',
      target: '',
      calls: tally.count,
      callsPerEntryRequest: 1,
      errors: tally.errors,
      ...percentiles(tally),
    });
  }
  for (const { from, to, protocol, target, tally } of telemetry.traffic.edges()) {
    const outside = protocol === 'http' && !services.has(to);
    edges.push({
      from,
      to,
      protocol: outside ? 'egress' : protocol,
      target: outside ? to : target,
      calls: tally.count,
      callsPerEntryRequest: per(tally.count),
      errors: tally.errors,
      ...percentiles(tally),
    });
  }
  return edges.sort((a, b) => b.calls - a.calls);
}

function percentiles(tally: { percentileUs(p: number): number | null }): Pick<Edge, 'p50Us' | 'p95Us' | 'p99Us'> {
  const at = (p: number) => Math.round(tally.percentileUs(p) ?? 0);
  return { p50Us: at(50), p95Us: at(95), p99Us: at(99) };
}
