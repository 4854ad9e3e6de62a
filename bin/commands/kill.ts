import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { request } from 'undici';
import type { CommandModule } from 'yargs';
import { isLoopback } from '../../orchestrator/scenario/hosts.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { print } from '../terminal.js';

interface Arguments {
  admin: string[];
  file?: string | undefined;
  rearm: boolean;
  reason: string;
  json: boolean;
  quiet: boolean;
}

interface Outcome {
  agent: string;
  ok: boolean;
  text: string;
}

const kill: CommandModule<object, Arguments> = {
  command: 'kill',
  describe: 'Make agents refuse shadow traffic at once',
  builder: (cli) =>
    cli
      .option('file', { type: 'string', describe: 'Kill file of the agents (SHADOWLINE_KILL_FILE): it is made' })
      .option('admin', {
        type: 'string',
        array: true,
        nargs: 1,
        default: [],
        describe: 'Admin port of an agent on this machine (SHADOWLINE_ADMIN_PORT); may be given several times',
      })
      .option('reason', { type: 'string', default: 'killed by hand', describe: 'Goes into the kill file' })
      .option('rearm', {
        type: 'boolean',
        default: false,
        describe: 'The opposite: remove the file, re-arm the agents',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print outcomes as JSON' })
      .option('quiet', { type: 'boolean', default: false, describe: 'Print failures only' })
      .example('$0 kill --file /run/shadowline.kill', 'All agents that watch this file')
      .example('$0 kill --admin 9901 --admin 9902', 'Two agents by their admin ports')
      .epilogue(
        'Real users notice nothing: only flagged requests are refused, with 503, until the agents are re-armed.',
      ),
  async handler({ admin, file, rearm, reason, json, quiet }) {
    if (file === undefined && admin.length === 0) {
      throw new CliError(
        exitCodes.usage,
        'nothing says which agents are meant',
        'give --file (their kill file) or --admin (their admin ports)',
      );
    }
    const outcomes: Outcome[] = file === undefined ? [] : [touch(file, rearm, reason)];
    outcomes.push(...(await Promise.all(admin.map((address) => post(address, rearm, reason)))));
    const failed = outcomes.filter((outcome) => !outcome.ok);
    if (json) print(JSON.stringify(outcomes));
    else for (const { agent, text } of quiet ? failed : outcomes) print(`${agent}: ${text}`);
    if (failed.length > 0) {
      throw new CliError(
        exitCodes.unexpected,
        `${failed.length} of ${outcomes.length} did not answer as they should`,
        'shadow flags run out by themselves within their ttl (60 s) once no orchestrator renews them',
      );
    }
  },
};

function touch(file: string, rearm: boolean, reason: string): Outcome {
  try {
    if (rearm) rmSync(file, { force: true });
    else {
      const handle = openSync(file, 'a', 0o644);
      writeSync(handle, `${new Date().toISOString()} ${reason}\n`);
      closeSync(handle);
    }
    return {
      agent: file,
      ok: true,
      text: rearm ? 'removed; agents stay killed until each is re-armed' : 'made; agents see it within a second',
    };
  } catch (error) {
    return { agent: file, ok: false, text: (error as Error).message };
  }
}

async function post(address: string, rearm: boolean, reason: string): Promise<Outcome> {
  const agent = /^\d+$/.test(address) ? `127.0.0.1:${address}` : address;
  // The admin server listens on loopback only, so anything else is a mistake.
  if (!isLoopback(agent))
    return { agent, ok: false, text: 'admin ports are on loopback: run this on the agent’s machine' };
  try {
    const { statusCode, body } = await request(`http://${agent}/${rearm ? 'rearm' : 'kill'}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason }),
      headersTimeout: 3000,
      bodyTimeout: 3000,
    });
    await body.dump();
    const ok = statusCode >= 200 && statusCode < 300;
    return { agent, ok, text: ok ? (rearm ? 're-armed' : 'killed') : `answered ${statusCode}` };
  } catch (error) {
    return {
      agent,
      ok: false,
      text: `no answer (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`,
    };
  }
}

export default kill;
