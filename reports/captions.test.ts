import { describe, expect, it } from '@jest/globals';
import {
  capacityCaption,
  errorsCaption,
  inFlightCaption,
  latencyCaption,
  latenessCaption,
  rateCaption,
  realUsersCaption,
} from './captions.js';
import { exampleResult, exampleSeries } from './fixtures/example-result.js';

const result = exampleResult();
const series = exampleSeries();
const { steps, totals } = result;

describe('captions state what the data says', () => {
  it('rate: kept up or fell behind', () => {
    expect(rateCaption(series, totals)).toMatch(/^The chain kept up: 99.8 % of the 6,850 requests/);
    const behind = rateCaption(series, { ...totals, completed: 3000, dropped: 7 });
    expect(behind).toMatch(/fell behind: only 43.8 %.*7 requests were dropped/);
  });

  it('latency: seconds above the limit, the first and the worst', () => {
    expect(latencyCaption(series, steps, 300_000)).toMatch(
      /above the limit of 300 ms in 5 of 60 seconds, first in second 55 \(step “hold 200\/s”\); the worst was 4\d\d ms in second 59/,
    );
    expect(latencyCaption(series, steps, 900_000)).toMatch(/stayed below the limit of 900 ms in all 60 seconds/);
    expect(latencyCaption(series, steps, null)).toMatch(/no threshold to compare/);
  });

  it('in flight: whether requests piled up', () => {
    expect(inFlightCaption(series, steps)).toMatch(/peaked at 5\d in second 59 .* 1\d\.\d times the median/);
    const flat = series.map((point) => ({ ...point, inFlight: 5 }));
    expect(inFlightCaption(flat, steps)).toMatch(/nothing piled up/);
  });

  it('lateness: the generator’s part', () => {
    expect(latenessCaption(series, 50_000, steps)).toMatch(/sent on time/);
    expect(latenessCaption(series, 1_000, steps)).toMatch(/late for moments/);
    const limited = steps.map((step) => ({ ...step, generatorLimited: step.index === 5 }));
    expect(latenessCaption(series, 50_000, limited)).toMatch(/itself the limit in 1 step:/);
  });

  it('errors: none, or how many, when and where', () => {
    expect(errorsCaption(series, totals, steps)).toMatch(
      /^11 requests failed \(0.16 %\), first in second 47; most in one second were 7/,
    );
    const none = series.map((point) => ({ ...point, errors: 0 }));
    expect(errorsCaption(none, { ...totals, errors: 0 }, steps)).toBe('No request failed in any second.');
  });

  it('real users: against their baseline', () => {
    expect(realUsersCaption(series, result.realUsers)).toMatch(
      /21.3 ms before the load and 26.8 ms during it \(\+25.8 %\)/,
    );
    expect(realUsersCaption(series, { baseline: null, during: null })).toMatch(/There is no baseline/);
    expect(realUsersCaption([], { baseline: null, during: null })).toMatch(/No real user was seen/);
  });

  it('capacity: where the limit lies', () => {
    expect(capacityCaption(steps, 300_000)).toBe(
      'Within the SLO up to 120/s with p99 61.0 ms; missed at 200/s with p99 412 ms.',
    );
    expect(capacityCaption(steps.slice(0, 4), 300_000)).toMatch(/the limit lies higher/);
    expect(capacityCaption(steps.slice(4), 300_000)).toMatch(/the limit lies lower/);
    expect(capacityCaption(steps, 900_000)).toMatch(/another threshold was missed/);
    expect(capacityCaption([], null)).toMatch(/No step counts/);
  });

  it('does without any second', () => {
    const captions = [
      rateCaption([], totals),
      inFlightCaption([], []),
      latencyCaption([], [], 1),
      latenessCaption([], 1, []),
    ];
    for (const caption of captions) expect(caption).toMatch(/No second|not measured/);
  });
});
