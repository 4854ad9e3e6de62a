import { describe, expect, it } from '@jest/globals';
import { firstTable, firstWord, isWrite, taintedValue } from './mysql-statement.js';

describe('ordinary statements', () => {
  it.each([
    ['SELECT 1', 'select', false, undefined],
    ['  /* hint */ insert into `a` values (1)', 'insert', true, 'a'],
    ['(SELECT * FROM a.b) UNION (SELECT 2)', 'select', false, 'b'],
    ['-- note\nUPDATE `x`.`y` SET a = 1', 'update', true, 'y'],
    ['WITH c AS (SELECT 1) DELETE FROM t', 'with', true, 't'],
    ['WITH c AS (SELECT 1) SELECT * FROM c', 'with', false, 'c'],
    ['CALL p()', 'call', true, undefined],
    ['', 'other', true, undefined],
  ])('%s', (sql, word, write, table) => {
    expect(firstWord(sql)).toBe(word);
    expect(isWrite(word, sql)).toBe(write);
    expect(firstTable(sql)).toBe(table);
  });
});

describe('shadow ids in bound values', () => {
  const taint = { from: 1000, to: 2000 };
  it.each([
    [[1, 1000], 1000],
    [[1, 2000, 999], undefined],
    [['1500'], 1500],
    [['1500x', 'x1500', '01500 '], undefined],
    [[[['a', 1999]]], 1999],
    [{ id: 1001n }, 1001],
    [[Buffer.from([1, 2]), new Date(1500), null, undefined, true], undefined],
    [1234, 1234],
  ])('%p', (values, found) => {
    expect(taintedValue(values, taint)).toBe(found);
  });

  it('does not read without end', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(taintedValue(loop, taint)).toBeUndefined();
  });
});
