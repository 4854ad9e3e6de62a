import type { Result } from '../orchestrator/result/schema.js';
import { count, inUnit } from './format.js';
import type { RunView } from './run-folder.js';
import { escapeXml, oneLine } from './text.js';

interface Case {
  name: string;
  /** Held when none of the three is there. */
  failure?: string | undefined;
  error?: string | undefined;
  skipped?: string | undefined;
}

/** junit.xml: a case for the verdict, for each threshold, guardrail, service and rule of the audit. */
export function renderJunit({ result, partial }: RunView): string {
  const suites: [string, Case[]][] = [
    ['verdict', [verdict(result)]],
    ['thresholds', result.thresholds.map(threshold)],
    ['guardrails', result.guardrails.map(guardrail)],
    ['services', partial ? [] : result.topology.services.map(service)],
    ['isolation', isolation(result)],
  ];
  const all = suites.flatMap(([, cases]) => cases);
  const body = suites.map(([name, cases]) => suite(name, cases, result)).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${escapeXml(result.run.name)}" ${totals(all)} time="${result.run.loadSeconds}">\n${body}</testsuites>\n`;
}

function totals(cases: Case[]): string {
  const having = (key: keyof Case): number => cases.filter((one) => one[key] !== undefined).length;
  return `tests="${cases.length}" failures="${having('failure')}" errors="${having('error')}" skipped="${having('skipped')}"`;
}

function suite(name: string, cases: Case[], { run }: Result): string {
  const body = cases.map(
    (one) =>
      `    <testcase classname="${escapeXml(`shadowline.${name}`)}" name="${escapeXml(oneLine(one.name))}" time="0">${outcome(one)}</testcase>\n`,
  );
  const at = Number.isNaN(Date.parse(run.startedAt)) ? '' : ` timestamp="${escapeXml(run.startedAt)}"`;
  return `  <testsuite name="${escapeXml(name)}" ${totals(cases)} time="0"${at}>\n${body.join('')}  </testsuite>\n`;
}

function outcome({ failure, error, skipped }: Case): string {
  const element = (tag: string, message: string): string => `<${tag} message="${escapeXml(oneLine(message, 500))}"/>`;
  if (error !== undefined) return element('error', error);
  if (failure !== undefined) return element('failure', failure);
  return skipped !== undefined ? element('skipped', skipped) : '';
}

function verdict({ verdict: { outcome: decided, sentence, exitCode } }: Result): Case {
  const name = 'the run passes';
  if (decided === 'pass') return { name };
  const message = `${sentence} (exit code ${exitCode})`;
  return decided === 'error' || decided === 'refused' || decided === 'interrupted'
    ? { name, error: message }
    : { name, failure: message };
}

function threshold({ source: name, ok, observed, limit, unit, samples, note }: Result['thresholds'][number]): Case {
  if (ok === null) return { name, skipped: note ?? `not known: ${count(samples)} samples` };
  if (ok) return { name };
  return {
    name,
    failure: `observed ${inUnit(observed, unit)}, limit ${inUnit(limit, unit)}, ${count(samples)} samples`,
  };
}

function guardrail({ source: name, tripped, trippedAtS, worst, limit, unit }: Result['guardrails'][number]): Case {
  if (!tripped) return { name };
  return {
    name,
    failure: `tripped at ${trippedAtS ?? '?'} s: worst ${inUnit(worst, unit)}, limit ${inUnit(limit, unit)}`,
  };
}

function service({ name, instances, lostAtS }: Result['topology']['services'][number]): Case {
  const title = `${name} is heard to the end`;
  if (instances === 0) return { name: title, failure: `${name} was never heard` };
  return lostAtS === null ? { name: title } : { name: title, failure: `${name} stopped reporting at ${lostAtS} s` };
}

function isolation({ isolation: audit }: Result): Case[] {
  const unchecked = audit.outcome === 'not-checked' ? audit.sentence : undefined;
  const found = audit.leaks.map((leak) => `${count(leak.count)} in ${leak.store} ${leak.target} (${leak.kind})`);
  return [
    {
      name: 'no shadow data in real stores',
      ...(found.length > 0 ? { failure: found.join('; ') } : { skipped: unchecked }),
    },
    {
      name: 'the audit is complete',
      ...(audit.outcome === 'incomplete' ? { failure: audit.sentence } : { skipped: unchecked }),
    },
    {
      name: 'shadow data is cleaned up',
      ...(audit.cleanedUp ? {} : { skipped: 'not cleaned up: `stress shadow-db clean` does it' }),
    },
    {
      name: 'agents saw nothing suspicious',
      ...(audit.suspects.length > 0
        ? { failure: audit.suspects.map((one) => `${one.code} in ${one.service}: ${count(one.count)}`).join('; ') }
        : { skipped: unchecked }),
    },
    ...audit.stores.map(store),
    ...audit.probes.map((probe) => ({
      name: `probe ${probe.route}`,
      failure: probe.ok ? undefined : (probe.problem ?? 'failed'),
    })),
  ];
}

function store({
  store: kind,
  real,
  shadow,
  writesIssued,
  rowsFound,
  outcome: decided,
  note,
}: Result['isolation']['stores'][number]): Case {
  const name = `${kind} ${real} → ${shadow} reconciles`;
  const figures = `${count(writesIssued)} issued, ${count(rowsFound)} found`;
  if (decided === 'not-counted') return { name, skipped: note ?? 'not counted' };
  return decided === 'missing' || decided === 'excess'
    ? { name, failure: `${decided}: ${figures}${note === undefined ? '' : `; ${note}`}` }
    : { name };
}
