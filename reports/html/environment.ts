import { bytes, count, NOT_MEASURED, wallClock } from '../format.js';
import type { RunView } from '../run-folder.js';
import { orUnknown } from '../view.js';
import { type Html, html } from './html.js';
import { facts, section } from './parts.js';

export function recording(view: RunView): Html {
  const { recording: from } = view.result;
  return section(
    'recording',
    'Recording',
    facts([
      ['Recording', html`<code>${from.path}</code>`],
      ['Source', from.source],
      ['Requests', view.partial ? NOT_MEASURED : count(from.records)],
      ['Sessions', view.partial ? NOT_MEASURED : count(from.sessions)],
      ['From', wallClock(from.fromIso)],
      ['To', wallClock(from.toIso)],
    ]),
    from.notes.length > 0
      ? html`<h3>Left out or repaired</h3><ul>${from.notes.slice(0, 50).map((note) => html`<li>${note}</li>`)}</ul>`
      : html`<p class="none">${orUnknown(view, 'Nothing was left out or repaired.')}</p>`,
  );
}

export function environment({ result: { environment: on, run } }: RunView): Html {
  return section(
    'environment',
    'Environment',
    facts([
      ['Shadowline', on.shadowline],
      ['Engine', `${on.engine}, ${on.workers} ${on.workers === 1 ? 'worker' : 'workers'}`],
      ['Node', on.node],
      ['Operating system', on.os],
      ['Processor', `${on.cpu}, ${on.cpus} ${on.cpus === 1 ? 'core' : 'cores'}`],
      ['Memory', bytes(on.memoryBytes)],
      ['Commit', on.gitCommit === null ? 'not known' : html`<code>${on.gitCommit}</code>`],
      ['Started', wallClock(run.startedAt)],
      ['Ended', wallClock(run.endedAt)],
    ]),
    html`<p class="hint">This is the machine of the load generator. Services are described by what their agents send.</p>`,
  );
}
