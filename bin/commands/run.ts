import { createInterface } from 'node:readline/promises';
import type { CommandModule } from 'yargs';
import { runScenario } from '../../orchestrator/run.js';
import type { Scenario } from '../../orchestrator/scenario/index.js';
import { renderReports, renderTerminal } from '../../reports/index.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { interruptible } from '../interrupt.js';
import { startLive } from '../live.js';
import { type ScenarioArguments, scenarioOf, scenarioOptions } from '../scenario-options.js';
import { isInteractive, note, paint, print } from '../terminal.js';

interface Arguments extends ScenarioArguments {
  runs: string;
  yes: boolean;
  keepShadow: boolean;
  json: boolean;
  quiet: boolean;
}

const run: CommandModule<object, Arguments> = {
  command: 'run <scenario>',
  describe: 'Run a scenario: preflight, load, leak check, report',
  builder: (cli) =>
    scenarioOptions(cli)
      .option('runs', { type: 'string', default: 'runs', describe: 'Folder in which the run gets a folder of its own' })
      .option('yes', {
        alias: 'y',
        type: 'boolean',
        default: false,
        describe: 'Send load to hosts that are not on this machine, without asking',
      })
      .option('keep-shadow', {
        type: 'boolean',
        default: false,
        describe: 'Leave shadow rows and keys after the run, to look at them',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON instead of the summary' })
      .option('quiet', { type: 'boolean', default: false, describe: 'Print the summary only, no progress' })
      .example('$0 run scenario.yaml', 'The whole way; the report is in runs/<time>-<name>/report.html')
      .example('$0 run scenario.yaml --set load.maxInFlight=500', 'With one value changed')
      .epilogue(
        'Ctrl-C once: stop the load, drain, check for leaks, report. Twice: at once. `stress help exit-codes` lists what the exit codes mean.',
      ) as never,
  async handler(options) {
    const scenario = scenarioOf(options);
    await confirm(scenario, options.yes);
    const live = startLive(process.stderr, { quiet: options.quiet || options.json, name: scenario.name });
    const interrupt = interruptible((text) => note(text));
    try {
      const { result, runDir, exitCode } = await runScenario(scenario, {
        runsDir: options.runs,
        signal: interrupt.signal,
        keepShadow: options.keepShadow,
        onProgress: (event) => live.onProgress(event),
        render: renderReports,
      });
      live.end();
      if (options.json) print(JSON.stringify({ runDir, exitCode, result }));
      else {
        const color = paint(process.stdout).isColorSupported;
        print(renderTerminal(result, { color, width: Math.min(100, process.stdout.columns ?? 80) }));
        print(`\nRun folder: ${runDir}`);
      }
      process.exitCode = exitCode;
    } finally {
      live.end();
      interrupt.end();
    }
  },
};

/** @throws CliError when load would leave this machine and nobody agreed to it. */
async function confirm(scenario: Scenario, yes: boolean): Promise<void> {
  if (!scenario.confirmRequired || yes) return;
  const hosts = scenario.allowHosts.join(', ');
  const refusal = new CliError(
    exitCodes.usage,
    `load would go to hosts that are not on this machine (${hosts})`,
    'if that is what you want, and you may, say --yes',
  );
  if (!isInteractive(process.stdin) || !isInteractive(process.stderr)) throw refusal;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`Load will go to ${hosts}, not on this machine. Go on? [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw refusal;
  } finally {
    lines.close();
  }
}

export default run;
