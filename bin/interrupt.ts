import { exitCodes } from './exit-codes.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What is said when the first signal comes, and the second. */
export interface InterruptWords {
  first: string;
  second: string;
}

const ofRuns: InterruptWords = {
  first: 'stopping the load, then drain, leak check and report. Once more: stop at once.',
  second: 'stopping at once; `stress report <run folder>` makes a report of what is there',
};

/**
 * The first Ctrl-C (SIGINT; SIGTERM and SIGHUP alike) aborts the signal: the work ends in order (a run stops its load, drains, checks for leaks
 * and reports). The second one ends the process at once.
 */
export function interruptible(
  say: (text: string) => void,
  host: Pick<NodeJS.Process, 'on' | 'off' | 'exit'> = process,
  words: InterruptWords = ofRuns,
): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      say(words.second);
      host.exit(exitCodes.interrupted);
      return;
    }
    say(`${name === 'SIGINT' ? 'Ctrl-C' : name}: ${words.first}`);
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
