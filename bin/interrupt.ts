import { exitCodes } from './exit-codes.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * The first Ctrl-C (SIGINT; SIGTERM and SIGHUP alike) aborts the signal: the run stops its load, drains, checks for leaks and reports. The
 * second one ends the process at once; the run folder's files are append-only, so it stays readable.
 */
export function interruptible(
  say: (text: string) => void,
  host: Pick<NodeJS.Process, 'on' | 'off' | 'exit'> = process,
): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      say('stopping at once; `stress report <run folder>` makes a report of what is there');
      host.exit(exitCodes.interrupted);
      return;
    }
    say(
      `${name === 'SIGINT' ? 'Ctrl-C' : name}: stopping the load, then drain, leak check and report. Once more: stop at once.`,
    );
    controller.abort(name);
  };
  for (const name of SIGNALS) host.on(name, onSignal);
  return {
    signal: controller.signal,
    end() {
      for (const name of SIGNALS) host.off(name, onSignal);
    },
  };
}
