/** Threads load plain JavaScript; from the sources (tests) it is the compiled twin of a file that they get. */
const folder = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/orchestrator/engines/node/' : './',
  import.meta.url,
);

/** The module that opens recordings, as each thread loads it. */
export const RECORDING_MODULE = new URL('../../recording/index.js', folder).href;

/** URL of a thread's compiled file. */
export function threadUrl(name: 'worker' | 'metronome-thread' | 'reader-thread'): URL {
  return new URL(`${name}.js`, folder);
}
