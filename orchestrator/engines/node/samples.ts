/**
 * What a worker keeps of each request that ended: eight 32-bit numbers, which go to the main thread in blocks, without a copy. All statistics are
 * made there, so that the thread that sends spends its time on sending, and a worker that dies takes one second of counts with it at most.
 */
export const SAMPLE_FIELDS = 8;

export interface Sample {
  step: number;
  route: number;
  /** HTTP status; 0 when there was no whole answer. */
  status: number;
  /** Number of the failure's code + 1; 0 when it is none. */
  failure: number;
  responseUs: number;
  serviceUs: number;
  latenessUs: number;
  sessionWaitUs: number;
}

/** In place of a latency that does not exist. */
export const NOT_MEASURED = 2 ** 32 - 1;
/** 71 minutes; what lasts longer counts as this. */
const MAX_US = NOT_MEASURED - 1;

export function clampUs(us: number): number {
  if (us === NOT_MEASURED) return NOT_MEASURED;
  return us <= 0 ? 0 : us >= MAX_US ? MAX_US : Math.round(us);
}

export class SampleBlock {
  #data: Uint32Array<ArrayBuffer>;
  #length = 0;

  constructor(samples = 4096) {
    this.#data = new Uint32Array(samples * SAMPLE_FIELDS);
  }

  get full(): boolean {
    return this.#length === this.#data.length;
  }

  push(
    step: number,
    route: number,
    status: number,
    failure: number,
    responseUs: number,
    serviceUs: number,
    latenessUs: number,
    sessionWaitUs: number,
  ): void {
    const data = this.#data;
    const at = this.#length;
    data[at] = step;
    data[at + 1] = route;
    data[at + 2] = status;
    data[at + 3] = failure;
    data[at + 4] = clampUs(responseUs);
    data[at + 5] = clampUs(serviceUs);
    data[at + 6] = clampUs(latenessUs);
    data[at + 7] = clampUs(sessionWaitUs);
    this.#length = at + SAMPLE_FIELDS;
  }

  /** What was pushed since the last call; the caller may transfer it. */
  take(): Uint32Array<ArrayBuffer> {
    const taken = this.#data.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }
}

export function sampleAt(samples: Uint32Array, index: number): Sample {
  const at = index * SAMPLE_FIELDS;
  return {
    step: samples[at]!,
    route: samples[at + 1]!,
    status: samples[at + 2]!,
    failure: samples[at + 3]!,
    responseUs: samples[at + 4]!,
    serviceUs: samples[at + 5]!,
    latenessUs: samples[at + 6]!,
    sessionWaitUs: samples[at + 7]!,
  };
}
