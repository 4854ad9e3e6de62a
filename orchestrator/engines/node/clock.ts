/** Microseconds on one monotonic axis that all threads of a process share (`performance.now()` alone starts anew in each thread). */
export interface Clock {
  nowUs(): number;
}

const offsetUs = measureOffset();

export const monotonicClock: Clock = {
  nowUs: () => performance.now() * 1000 + offsetUs,
};

/** The closest of a few readings: the first ones include compiling and loading, up to a millisecond, which would set threads apart. */
function measureOffset(): number {
  let best = { widthUs: Number.POSITIVE_INFINITY, offsetUs: 0 };
  for (let i = 0; i < 50; i++) {
    const beforeNs = process.hrtime.bigint();
    const readUs = performance.now() * 1000;
    const afterNs = process.hrtime.bigint();
    const widthUs = Number(afterNs - beforeNs) / 1000;
    if (widthUs < best.widthUs) best = { widthUs, offsetUs: Number(beforeNs) / 1000 + widthUs / 2 - readUs };
  }
  return best.offsetUs;
}
