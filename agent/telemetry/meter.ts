import type { Ledger, Meter } from '../runtime.js';
import { ExponentialHistogram } from './histogram.js';
import { type Attributes, histogramMetric, histogramPoint, type Interval, numberPoint, sumMetric } from './otlp.js';
import { type AttributeValue, SeriesTable } from './series.js';

type Values = readonly AttributeValue[];

/** One histogram metric: the order of the table's keys, and the attributes that they become. */
class DurationMetric {
  readonly table = new SeriesTable(() => new ExponentialHistogram());
  readonly #name: string;
  readonly #attributes: (keys: Values) => Attributes;

  constructor(name: string, attributes: (keys: Values) => Attributes) {
    this.#name = name;
    this.#attributes = attributes;
  }

  collect(interval: Interval, into: object[]): void {
    const points: object[] = [];
    this.table.flush((keys, histogram) => {
      if (histogram.count === 0) return false;
      points.push(histogramPoint(this.#attributes(keys), histogram.take(), interval));
      return true;
    });
    if (points.length > 0) into.push(histogramMetric(this.#name, points));
  }
}

/** Durations by route, peer, table and topic, since the last collection. */
export class DurationMeter implements Meter {
  // Every table's first key is `shadow`: the two kinds of traffic stay apart even where a table overflows.
  readonly #server = new DurationMetric('http.server.request.duration', ([shadow, route, status]) => {
    const text = String(route);
    const space = text.indexOf(' ');
    return {
      'http.request.method': space < 0 ? '_OTHER' : text.slice(0, space),
      'http.route': text.slice(space + 1),
      'http.response.status_code': status,
      shadow,
    };
  });
  readonly #client = new DurationMetric('http.client.request.duration', ([shadow, peer, status]) => ({
    'server.address': peer,
    [typeof status === 'number' ? 'http.response.status_code' : 'error.type']: status,
    shadow,
  }));
  readonly #database = {
    mysql: databaseMetric('mysql'),
    redis: databaseMetric('redis'),
  };
  readonly #send = messageMetric('messaging.client.operation.duration');
  readonly #process = messageMetric('messaging.process.duration');

  serverRequest(shadow: boolean, route: string, status: number, durationUs: number): void {
    this.#server.table.at(shadow, route, status).record(durationUs);
  }

  clientRequest(shadow: boolean, peer: string, status: number | string, durationUs: number): void {
    this.#client.table.at(shadow, peer, status).record(durationUs);
  }

  dbOperation(
    shadow: boolean,
    system: 'mysql' | 'redis',
    target: string,
    operation: string,
    error: string | undefined,
    durationUs: number,
  ): void {
    this.#database[system].table.at(shadow, target, operation, error).record(durationUs);
  }

  message(
    shadow: boolean,
    direction: 'send' | 'process',
    topic: string,
    error: string | undefined,
    durationUs: number,
  ): void {
    const metric = direction === 'send' ? this.#send : this.#process;
    metric.table.at(shadow, topic, error).record(durationUs);
  }

  collect(interval: Interval): object[] {
    const metrics: object[] = [];
    for (const metric of [
      this.#server,
      this.#client,
      this.#database.mysql,
      this.#database.redis,
      this.#send,
      this.#process,
    ]) {
      metric.collect(interval, metrics);
    }
    return metrics;
  }
}

function databaseMetric(system: string): DurationMetric {
  return new DurationMetric('db.client.operation.duration', ([shadow, target, operation, error]) => ({
    'db.system.name': system,
    'db.collection.name': target,
    'db.operation.name': operation,
    'error.type': error,
    shadow,
  }));
}

function messageMetric(name: string): DurationMetric {
  return new DurationMetric(name, ([shadow, topic, error]) => ({
    'messaging.destination.name': topic,
    'error.type': error,
    shadow,
  }));
}

class Sum {
  value = 0;
  touched = false;

  add(amount: number): void {
    this.value += amount;
    this.touched = true;
  }
}

/** One delta sum by up to four attributes. */
export class Counter {
  readonly #table = new SeriesTable(() => new Sum());
  readonly #name: string;
  readonly #unit: string;
  readonly #attributes: (keys: Values) => Attributes;
  readonly #isMonotonic: boolean;

  constructor(name: string, unit: string, attributes: (keys: Values) => Attributes, isMonotonic = true) {
    this.#name = name;
    this.#unit = unit;
    this.#attributes = attributes;
    this.#isMonotonic = isMonotonic;
  }

  add(amount: number, a?: AttributeValue, b?: AttributeValue, c?: AttributeValue, d?: AttributeValue): void {
    this.#table.at(a, b, c, d).add(amount);
  }

  collect(interval: Interval): object[] {
    const points: object[] = [];
    this.#table.flush((keys, sum) => {
      if (!sum.touched) return false;
      points.push(numberPoint(this.#attributes(keys), sum.value, interval));
      sum.value = 0;
      sum.touched = false;
      return true;
    });
    return points.length === 0 ? [] : [sumMetric(this.#name, this.#unit, points, this.#isMonotonic)];
  }
}

/** Redirected writes. A sum of rows may be negative: deletes count down. */
export class WriteLedger implements Ledger {
  readonly #counter = new Counter(
    'shadowline.writes',
    '{rows, messages or keys}',
    ([run, store, target, operation]) => ({
      'shadowline.run': run,
      'shadowline.store': store,
      'shadowline.target': target,
      'shadowline.operation': operation,
    }),
    false,
  );

  wrote(runId: string, store: 'mysql' | 'kafka' | 'redis', target: string, operation: string, rows: number): void {
    this.#counter.add(rows, runId, store, target, operation);
  }

  collect(interval: Interval): object[] {
    return this.#counter.collect(interval);
  }
}
