#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import yargs, { type Argv, type CommandModule } from 'yargs';
import { commandOf, commands } from './commands.js';
import { CliError, exitCodes } from './exit-codes.js';
import { printError } from './print-error.js';
import { nearestOption, nearestWord } from './suggest.js';

/**
 * The command line: a map of commands (commands.ts), one file each. Only the command that was asked for is loaded, so that
 * `stress --help` does not wait for the engine and one broken file does not break the others.
 */
async function main(argv: string[]): Promise<void> {
  const cli = yargs(argv)
    .scriptName('stress')
    .locale('en')
    .usage(
      '$0 <command>\n\nReplays recorded traffic under a signed shadow flag, proves that nothing leaked, reports what the chain sustains.',
    )
    .option('quiet', { type: 'boolean', default: false, global: true, describe: 'Print results only, no progress' })
    .parserConfiguration({ 'populate--': true, 'duplicate-arguments-array': true })
    .completion('completion', 'Print a completion script for your shell')
    .version(version())
    .help()
    .alias('help', 'h')
    .epilogue('stress help exit-codes lists what the numbers mean. Set NO_COLOR to switch colours off.')
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .strict()
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      if (error) throw error;
      throw usage(message ?? 'the command line is wrong', cli, argv);
    });

  const asked = commandOf(argv);
  for (const [name, entry] of Object.entries(commands)) {
    if (name === asked) cli.command((await entry.load()).default as CommandModule);
    else cli.command(name, entry.describe, {}, () => undefined);
  }
  if (asked === undefined && isBare(argv)) {
    process.stderr.write(`${await cli.getHelp()}\n`);
    process.exitCode = exitCodes.usage;
    return;
  }
  await cli.demandCommand(1).parseAsync();
}

function isBare(argv: string[]): boolean {
  return (
    !argv.some((word) => ['--help', '-h', '--version', '--get-yargs-completions', 'completion'].includes(word)) &&
    argv.every((word) => word.startsWith('-'))
  );
}

function usage(message: string, y: Argv, argv: string[]): CliError {
  const command = commandOf(argv);
  const help =
    command === undefined ? '`stress --help` lists the commands' : `\`stress ${command} --help\` shows how to use it`;
  const unknown = /^Unknown (argument|command)s?: (.+)$/.exec(message);
  if (unknown !== null) {
    const isCommand = command === undefined;
    // After an unknown command every other word is unknown as well.
    const words = unknown[2]!.split(', ').slice(0, isCommand ? 1 : undefined);
    const found = words
      .map((word) => (isCommand ? nearestWord(word, Object.keys(commands)) : nearestOption(word, y)))
      .filter((one) => one !== undefined);
    const cause = `unknown ${isCommand ? 'command' : words.length > 1 ? 'arguments' : 'argument'} ${words.map((word) => JSON.stringify(word)).join(', ')}`;
    return new CliError(exitCodes.usage, cause, found.length > 0 ? `did you mean ${found.join(', ')}? ${help}` : help);
  }
  const cause = message.trim().replace(/\s*\n\s*/g, ' ');
  return new CliError(exitCodes.usage, cause.charAt(0).toLowerCase() + cause.slice(1), help);
}

function version(): string {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
}

/** A reader that goes away (`stress … | head`) is no error, and does not stop a run. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

/**
 * A socket that somebody forgot must not keep a finished command alive. What is printed gets its time: a slow reader of a long JSON text
 * loses nothing.
 */
function endSoon(): void {
  const timer = setTimeout(() => {
    if (process.stdout.writableLength > 0 || process.stderr.writableLength > 0) endSoon();
    else process.exit();
  }, 1000);
  timer.unref();
}

const argv = process.argv.slice(2);
const fail = (error: unknown): void => {
  process.exitCode = printError(error, { json: argv.includes('--json') });
  endSoon();
};
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
main(argv).then(endSoon, fail);
