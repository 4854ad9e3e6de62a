/** Microseconds on one monotonic axis that all threads of a process share (`performance.now()` alone starts anew in each thread). */
export interface Clock {
  nowUs(): number;
}

const offsetUs = Number(process.hrtime.bigint()) / 1000 - performance.now() * 1000;

export const monotonicClock: Clock = {
  nowUs: () => performance.now() * 1000 + offsetUs,
};
