import { writeFileSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { openRecording } from '../../orchestrator/recording/index.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { scenarioText } from '../scenario-text.js';
import { Survey } from '../survey.js';
import { note, print } from '../terminal.js';

interface Arguments {
  recording: string;
  out: string;
  name?: string | undefined;
  target: string;
  quiet: boolean;
}

const init: CommandModule<object, Arguments> = {
  command: 'init <recording>',
  describe: 'Write a scenario from a recording',
  builder: (cli) =>
    cli
      .positional('recording', { type: 'string', demandOption: true, describe: 'Recording folder' })
      .option('out', {
        type: 'string',
        default: 'scenario.yaml',
        describe: 'File to write, never overwritten; - for stdout',
      })
      .option('name', { type: 'string', describe: 'Name of the scenario; default: the recording’s folder' })
      .option('target', { type: 'string', default: 'http://127.0.0.1:8080', describe: 'Origin of the entry' })
      .option('quiet', { type: 'boolean', default: false, describe: 'Do not say what is left to do' })
      .example('$0 init ./recording', 'Writes scenario.yaml with comments that say what to fill in'),
  async handler({ recording, out, name, target, quiet }) {
    const survey = await surveyOf(recording);
    if (survey.requests === 0)
      throw new CliError(
        exitCodes.usage,
        `${recording} holds no request`,
        'record or import some first: `stress record --help`',
      );
    const file = resolve(out);
    const path = out === '-' ? recording : `./${relative(dirname(file), resolve(recording))}`;
    const text = scenarioText(survey, { name: slug(name ?? basename(resolve(recording))), target, recording: path });
    if (out === '-') {
      print(text);
      return;
    }
    try {
      writeFileSync(file, text, { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      throw new CliError(exitCodes.usage, `${out} exists; it is not overwritten`, 'choose another name with --out');
    }
    note(
      [
        `${out} is written, from ${survey.requests} requests of ${survey.sessions} sessions on ${survey.routes.length} routes.`,
        'Fill in what is marked TODO: services, databases, the classes of tables. Then:',
        '  stress keys make                      the key pair that signs flags',
        `  stress validate ${out}         all problems at once, nothing is sent`,
        `  stress agent-config ${out}     what the agents in the services need`,
      ].join('\n'),
      quiet,
    );
  },
};

async function surveyOf(folder: string): Promise<Survey> {
  const opened = await openRecording(folder);
  try {
    const survey = new Survey();
    for await (const batch of opened.read()) {
      for (const request of batch) survey.take(request);
      if (survey.isEnough) break;
    }
    return survey;
  } finally {
    await opened.close();
  }
}

function slug(text: string): string {
  const name = text
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return name === '' ? 'scenario' : name;
}

export default init;
