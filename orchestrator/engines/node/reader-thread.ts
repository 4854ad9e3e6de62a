import { parentPort, workerData } from 'node:worker_threads';
import type { RecordedRequest, Recording } from '../../recording/recording.js';
import type { FromReader, ReaderStart, ToReader } from './reader.js';

/** Reads shards for one worker (reader.ts), in slices small enough that taking one in does not hold the worker up. */
const SLICE = 32;

const port = parentPort!;
const { recordingModule, recordingDir, shards, responses } = workerData as ReaderStart;
const post = (message: FromReader) => port.postMessage(message);

let credits = 0;
let taken: (() => void) | undefined;
let recording: Recording | undefined;
let closing = false;
let reading: Promise<void> = Promise.resolve();

port.on('message', (message: ToReader) => {
  if (message.kind === 'taken') {
    credits += message.slices;
    taken?.();
  } else if (message.kind === 'close') {
    closing = true;
    taken?.();
    void reading.then(() => recording?.close()).finally(() => port.close());
  } else {
    credits = message.slices;
    reading = read().catch((error: unknown) =>
      post({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
    );
  }
});

async function read(): Promise<void> {
  if (recording === undefined) {
    const { openRecording } = (await import(recordingModule)) as { openRecording(dir: string): Promise<Recording> };
    recording = await openRecording(recordingDir);
  }
  for await (const batch of recording.read({ shards })) {
    for (let at = 0; at < batch.length; at += SLICE) {
      while (credits === 0 && !closing) await new Promise<void>((resolve) => (taken = resolve));
      if (closing) return;
      credits--;
      post({ kind: 'slice', records: batch.slice(at, at + SLICE).map(lean) });
    }
  }
  post({ kind: 'end' });
}

/** What a worker needs, with a body in memory of its own: a view into a pool would take the whole pool along. */
function lean(record: RecordedRequest): RecordedRequest {
  return {
    ...record,
    body: record.body === undefined ? undefined : new Uint8Array(record.body),
    responseHeaders: responses ? record.responseHeaders : undefined,
    responseBody: responses ? record.responseBody : undefined,
  };
}
