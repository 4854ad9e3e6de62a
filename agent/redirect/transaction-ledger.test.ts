import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TransactionLedger, type WriteEntry } from './transaction-ledger.js';

function ledger() {
  const written: number[] = [];
  const one = new TransactionLedger((entry) => written.push(entry.rows));
  const entry = (rows: number): WriteEntry => ({ runId: 'r', target: 't', operation: 'insert', rows });
  return {
    one,
    written,
    write: (rows: number, open = true) => one.succeeded('insert', '', 'r', [entry(rows)], open),
    say: (verb: string, sql = '', open = true) => one.succeeded(verb, sql, 'r', [], open),
  };
}

describe('writes of a transaction', () => {
  it('are committed together, or not at all', () => {
    const { say, write, written } = ledger();
    say('begin');
    write(1);
    say('rollback', 'ROLLBACK', false);
    say('begin');
    write(2);
    expect(written).toEqual([]);
    say('commit', 'COMMIT', false);
    write(3, false);
    expect(written).toEqual([2, 3]);
  });

  it('are committed when the server leaves the transaction by itself', () => {
    const { say, write, written } = ledger();
    say('begin');
    write(1);
    say('lock', 'LOCK TABLES t WRITE', false);
    expect(written).toEqual([1]);
  });

  it('are discarded with the connection', () => {
    const { one, say, write, written } = ledger();
    say('begin');
    write(1);
    one.lost();
    expect(one.open).toBe(false);
    write(2, false);
    expect(written).toEqual([2]);
  });

  it('know the run of the open transaction only', () => {
    const { one, say } = ledger();
    expect(one.runId).toBeUndefined();
    say('begin');
    expect(one.runId).toBe('r');
    say('commit', 'COMMIT', false);
    expect(one.runId).toBeUndefined();
  });

  it('follow savepoints as a model does', () => {
    const name = fc.constantFrom('a', 'B', '`c d`');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), name: fc.constant('') }),
      fc.record({ kind: fc.constantFrom('savepoint', 'rollback-to', 'release-savepoint'), name }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { say, write, written } = ledger();
        // the model: a stack of named marks over a list
        let rows: number[] = [];
        let marks: { name: string; rows: number[] }[] = [];
        say('begin');
        steps.forEach(({ kind, name: savepoint }, index) => {
          const at = marks.findIndex((mark) => mark.name === savepoint.toLowerCase());
          if (kind === 'write') {
            rows = [...rows, index];
            write(index);
          } else if (kind === 'savepoint') {
            if (at >= 0) marks.splice(at, 1);
            marks.push({ name: savepoint.toLowerCase(), rows });
            say(kind, `SAVEPOINT ${savepoint}`);
          } else if (at >= 0) {
            // the server refuses unknown names
            if (kind === 'rollback-to') {
              rows = marks[at]!.rows;
              marks = marks.slice(0, at + 1);
              say(kind, `ROLLBACK TO SAVEPOINT ${savepoint.toUpperCase()}`);
            } else {
              marks = marks.slice(0, at);
              say(kind, `RELEASE SAVEPOINT ${savepoint}`);
            }
          }
        });
        say('commit', 'COMMIT', false);
        expect(written).toEqual(rows);
      }),
    );
  });
});
