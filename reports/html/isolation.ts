import type { Isolation, Probe, StoreAudit, StoreCoverage } from '../../orchestrator/result/schema.js';
import { count, NOT_MEASURED } from '../format.js';
import type { RunView } from '../run-folder.js';
import { oneLine } from '../text.js';
import { orUnknown } from '../view.js';
import { type Html, html } from './html.js';
import { facts, section, state, type Tone, table } from './parts.js';

const OUTCOMES: Record<Isolation['outcome'], [Tone, string]> = {
  clean: ['good', 'clean'],
  leak: ['bad', 'leak found'],
  incomplete: ['warn', 'incomplete'],
  'not-checked': ['warn', 'not checked'],
};

const STORE_OUTCOMES: Record<StoreAudit['outcome'], [Tone, string]> = {
  equal: ['good', 'equal'],
  missing: ['bad', 'missing'],
  excess: ['bad', 'excess'],
  derived: ['quiet', 'derived'],
  'not-counted': ['warn', 'not counted'],
};

const LEAKS: Record<Isolation['leaks'][number]['kind'], string> = {
  canary: 'this run’s canary',
  'shadow-id': 'ids of the shadow range',
  'shadow-flag': 'messages with the shadow flag',
  'missing-rows': 'shadow writes that did not arrive',
};

export function isolation(view: RunView): Html {
  const { result } = view;
  const none = (nothing: string): string => orUnknown(view, nothing);
  const { isolation: audit } = result;
  const { canary } = audit;
  return section(
    'isolation',
    'Isolation audit',
    html`<p class="answer">${state(...OUTCOMES[audit.outcome])} ${audit.sentence}</p>`,
    facts([
      ['Canaries placed', view.partial ? NOT_MEASURED : count(canary.placed)],
      ['Found in shadow stores', canary.foundInShadow === null ? 'not looked for' : count(canary.foundInShadow)],
      ['Canary', canary.value === '' ? NOT_MEASURED : html`<code>${oneLine(canary.value, 80)}</code>`],
      ['Cleaned up', audit.cleanedUp ? 'yes' : view.partial ? 'not known' : 'no: shadow data is still there'],
    ]),
    table({
      caption: 'Leaks: shadow data where real data lives',
      columns: [
        { head: 'Store' },
        { head: 'Real target', kind: 'code' },
        { head: 'Found' },
        { head: 'count', kind: 'num' },
        { head: 'Samples', kind: 'code' },
      ],
      rows: audit.leaks.map((leak) => [
        leak.store,
        oneLine(leak.target, 200),
        LEAKS[leak.kind],
        html`<strong>${count(leak.count)}</strong>`,
        leak.samples.slice(0, 5).map((sample) => html`<div>${oneLine(sample, 200)}</div>`),
      ]),
      empty:
        audit.outcome === 'not-checked' ? 'Leaks were not looked for.' : 'No shadow data was found in any real store.',
    }),
    stores(audit, none('No store was compared.')),
    ...coverage(audit.coverage, none('No real table was searched.')),
    counts(
      'Refusals: shadow requests that agents stopped before they touched anything',
      audit.refusals,
      none('No agent refused anything.'),
    ),
    counts(
      'Suspects: what agents saw and could not prove safe',
      audit.suspects,
      none('Agents saw nothing suspicious.'),
    ),
    ...probes(audit.probes, none('No probe was sent.')),
  );
}

function stores({ stores: all }: Isolation, empty: string): Html {
  return table({
    caption: 'Writes issued by agents against what the shadow stores hold',
    columns: [
      { head: 'Store' },
      { head: 'Real, and its shadow', kind: 'code' },
      { head: 'issued', kind: 'num' },
      { head: 'found', kind: 'num' },
      { head: 'difference', kind: 'num' },
      { head: 'outcome' },
    ],
    rows: all.map((store) => [
      store.store,
      // one under the other: side by side, long names push the outcome out of sight
      html`${oneLine(store.real, 200)}<div class="more">${oneLine(store.shadow, 200)}</div>`,
      count(store.writesIssued),
      count(store.rowsFound),
      difference(store),
      html`${state(...STORE_OUTCOMES[store.outcome])}${store.note === undefined ? null : html`<div class="more">${store.note}</div>`}`,
    ]),
    empty,
  });
}

const SEARCHED: Record<StoreCoverage['searched'][number]['by'], string> = {
  'auto-increment': 'rows added since the run began, by AUTO_INCREMENT',
  timestamp: 'rows added since the run began, by the server’s time',
  whole: 'every row',
  ids: 'ids alone: nothing there could hold the canary',
  none: 'nothing: no column there could hold the canary or an id; the counts of writes speak for it',
};

function coverage(all: StoreCoverage[], empty: string): Html[] {
  const searched = all.flatMap((store) => store.searched.map((one) => ({ ...one, store: store.store })));
  const looked = searched.filter(({ by }) => by !== 'none').length;
  const missed = all.flatMap((store) => store.notSearched.map((one) => ({ ...one, store: store.store })));
  const rows = all.reduce((sum, store) => sum + store.rows, 0);
  const title = html`<h3>What was searched for shadow data</h3>`;
  if (searched.length + missed.length === 0) return [title, html`<p class="none">${empty}</p>`];
  const limit =
    missed.length > 0
      ? html`; <strong>${count(missed.length)} could not be searched in full</strong>`
      : '; none was left out';
  return [
    title,
    html`<p>${count(rows)} rows in ${count(looked)} real tables${limit}. An update of a row that was there before the run is seen only where every row was read.</p>`,
    table({
      caption: 'Real tables that were not searched in full',
      columns: [
        { head: 'Store' },
        { head: 'Real table', kind: 'code' },
        { head: 'class' },
        { head: 'why' },
        { head: 'This would search it, by reading it whole', kind: 'code' },
      ],
      rows: missed.map((one) => [
        one.store,
        oneLine(one.table, 200),
        one.tableClass,
        one.detail,
        oneLine(one.sql, 300),
      ]),
      empty: 'Every real table was searched.',
    }),
    table({
      caption: 'Real tables that were searched',
      columns: [
        { head: 'Store' },
        { head: 'Real table', kind: 'code' },
        { head: 'class' },
        { head: 'what of it' },
        { head: 'rows read', kind: 'num' },
      ],
      rows: searched.map((one) => [
        one.store,
        oneLine(one.table, 200),
        one.tableClass,
        SEARCHED[one.by],
        count(one.rows),
      ]),
      empty,
    }),
  ];
}

function difference({ outcome, writesIssued, rowsFound }: StoreAudit): string {
  // two numbers that need not agree have no difference that says anything
  if (outcome === 'not-counted' || writesIssued === null || rowsFound === null) return NOT_MEASURED;
  const more = rowsFound - writesIssued;
  return more === 0 ? '0' : more > 0 ? `+${count(more)}` : `−${count(-more)}`;
}

function counts(
  caption: string,
  rows: { code: string; service: string; count: number; example?: string | undefined }[],
  empty: string,
): Html {
  return table({
    caption,
    columns: [
      { head: 'Code', kind: 'code' },
      { head: 'Service' },
      { head: 'count', kind: 'num' },
      { head: 'Example', kind: 'code' },
    ],
    rows: rows.map((row) => [oneLine(row.code, 80), row.service, count(row.count), oneLine(row.example ?? '', 300)]),
    empty,
  });
}

function probes(all: Probe[], empty: string): Html[] {
  const heard = all.reduce((sum, probe) => sum + probe.acknowledgements.length, 0);
  const failed = all.filter((probe) => !probe.ok).length;
  const title = html`<h3>Preflight probes</h3>`;
  if (all.length === 0) return [title, html`<p class="none">${empty}</p>`];
  const sentence = html`<p>${count(all.length)} routes were probed with one flagged request each; agents acknowledged ${count(heard)} times${
    failed > 0 ? html`, and <strong>${count(failed)} routes failed</strong>` : ', and every expected hop answered'
  }.</p>`;
  return [
    title,
    sentence,
    table({
      caption: 'Probes and who acknowledged them',
      columns: [
        { head: 'Route', kind: 'code' },
        { head: 'status', kind: 'num' },
        { head: 'result' },
        { head: 'Acknowledged by' },
      ],
      rows: all.map((probe) => [
        oneLine(probe.route, 200),
        probe.status ?? NOT_MEASURED,
        [
          probe.ok ? state('good', 'passed') : state('bad', 'failed'),
          probe.problem !== undefined ? html`<div class="hint">${probe.problem}</div>` : null,
        ],
        probe.acknowledgements.map(
          (one) =>
            html`<div>${one.service} over ${one.via}, agent ${one.agentVersion}, configuration <code>${oneLine(one.configVersion, 16)}</code>${
              one.touched.length > 0
                ? html`<div class="hint">touched ${one.touched.map((target) => oneLine(target, 120)).join(', ')}</div>`
                : null
            }</div>`,
        ),
      ]),
      empty,
    }),
  ];
}
