import { describe, expect, it } from '@jest/globals';
import type { ColumnModel, TableModel } from '../mysql/model.js';
import { type SeedPlan, seedPlan } from './plan.js';
import type { SourceKey, SourceTable } from './source-tables.js';
import { parseSample, type Seed } from './spec.js';

function column(text: string): ColumnModel {
  const [name = '', type = '', ...rest] = text.split(' ');
  return {
    name,
    type: rest.includes('unsigned') ? `${type} unsigned` : type,
    nullable: !rest.includes('!'),
    default: null,
    collation: /char|text/.test(type) ? 'utf8mb4_general_ci' : null,
    extra: '',
    generation: rest.includes('generated') ? 'id * 2' : null,
  } as ColumnModel;
}

interface Shape {
  columns: string[];
  primary?: string[];
  unique?: string[];
  ids?: string;
  engine?: string;
  foreignKeys?: SourceKey[];
}

function source(
  key: string,
  { columns, primary = [], unique = [], ids, engine = 'InnoDB', foreignKeys = [] }: Shape,
): SourceTable {
  const models = columns.map(column);
  const index = (name: string, names: string[]) => ({ name, unique: true, method: 'BTREE', columns: names });
  const real = {
    name: key,
    engine,
    columns: models,
    primaryKey: primary,
    indexes: [...(primary.length > 0 ? [index('PRIMARY', primary)] : []), ...unique.map((name) => index(name, [name]))],
    foreignKeys: [],
    checks: [],
    triggers: [],
    ...(ids && {
      autoIncrement: {
        column: ids,
        type: models.find(({ name }) => name === ids)?.type,
        next: '101',
        highest: '100',
        leads: true,
      },
    }),
  } as unknown as TableModel;
  return {
    key,
    real,
    realSchema: 'bank',
    target: { schema: 'bank', table: `${key}_shadow` },
    foreignKeys,
    ...(ids && { firstShadowId: 1_000_000_100n }),
  };
}

const people = source('people', {
  columns: [
    'id int !',
    'email varchar(80) !',
    'short varchar(10)',
    'born date',
    'pin char(64)',
    'age tinyint',
    'double_id int generated',
    'boss int',
  ],
  primary: ['id'],
  unique: ['email'],
  ids: 'id',
  foreignKeys: [{ name: 'boss', columns: ['boss'], parent: 'people', parentColumns: ['id'] }],
});
const accounts = source('accounts', {
  columns: ['iban char(22) !', 'owner int !', 'small smallint'],
  primary: ['iban'],
  foreignKeys: [{ name: 'owner', columns: ['owner'], parent: 'people', parentColumns: ['id'] }],
});
const moves = source('moves', {
  columns: ['id bigint !', 'iban char(22) !', 'text varchar(140)'],
  primary: ['id'],
  ids: 'id',
  foreignKeys: [{ name: 'account', columns: ['iban'], parent: 'accounts', parentColumns: ['iban'] }],
});
const notes = source('notes', { columns: ['text varchar(100)', 'at datetime'] });
const old = source('old', { columns: ['id int !'], primary: ['id'], engine: 'MyISAM' });
const all = [people, accounts, moves, notes, old];

function planned(seeds: Record<string, Seed>, estimates?: Map<string, number>): SeedPlan {
  return seedPlan(all, seeds, {
    helper: (name) => ({ schema: 'bank', table: `${name}_shadow` }),
    checkCondition: () => undefined,
    ...(estimates && { estimates }),
  });
}

const roles = (seeds: Record<string, Seed>): Record<string, string> =>
  Object.fromEntries(planned(seeds).tables.map(({ key, role }) => [key, role]));

describe('which tables are seeded, and how', () => {
  it.each<[string, Record<string, Seed>, Record<string, string>]>([
    ['nothing narrowed', { people: {}, accounts: {} }, { people: 'whole', accounts: 'whole' }],
    ['a condition', { people: { where: 'id < 9' }, accounts: {} }, { people: 'root', accounts: 'follower' }],
    [
      'children',
      { people: { sample: '5%', children: true } },
      { people: 'root', accounts: 'follower', moves: 'follower' },
    ],
    [
      'children, but for one',
      { people: { sample: 9, children: true }, accounts: { children: false } },
      { people: 'root', accounts: 'follower' },
    ],
    ['parents that are needed', { moves: { sample: '1%' } }, { people: 'needed', accounts: 'needed', moves: 'root' }],
    ['all children, with the parents that they need', { accounts: {} }, { people: 'needed', accounts: 'root' }],
    [
      'a child with a condition of its own',
      { people: { sample: '5%' }, accounts: { where: 'x' }, moves: {} },
      { people: 'root', accounts: 'root', moves: 'follower' },
    ],
  ])('%s', (_, seeds, expected) => {
    expect(roles(seeds)).toEqual(expected);
  });

  it('children come before parents', () => {
    expect(planned({ people: { children: true } }).tables.map(({ key }) => key)).toEqual([
      'moves',
      'accounts',
      'people',
    ]);
  });

  it('a shift and a mask go along foreign keys', () => {
    const plan = planned({ people: { idOffset: 'reserved', children: true }, moves: { mask: { iban: 'digits' } } });
    const changed = plan.tables.flatMap(({ key, columns }) =>
      columns
        .filter(({ change }) => change.kind !== 'keep')
        .map(({ model, change }) => [`${key}.${model.name}`, change.kind]),
    );
    expect(Object.fromEntries(changed)).toEqual({
      'people.id': 'shift',
      'people.boss': 'shift',
      'accounts.owner': 'shift',
      'accounts.iban': 'mask',
      'moves.iban': 'mask',
    });
    const sql = plan.steps.map((step) => step.sql).join('\n');
    expect(sql).toContain('`owner` + 1000000100');
    expect(sql).toContain('{tokens}');
    expect(sql).not.toContain('double_id');
  });

  it('the fingerprint follows what is copied, and nothing else', () => {
    const of = (seeds: Record<string, Seed>): string =>
      planned(seeds).tables.find(({ key }) => key === 'people')!.fingerprint;
    const plain = of({ people: { sample: '5%' } });
    expect(of({ people: { sample: '5 %' } })).toBe(plain);
    const others: Seed[] = [
      { sample: '6%' },
      { sample: '5%', where: 'id > 1' },
      { sample: '5%', set: { pin: 'x' } },
      { sample: '5%', idOffset: 7 },
    ];
    for (const other of others) expect(of({ people: other })).not.toBe(plain);
  });

  it.each<[RegExp, Record<string, Seed>]>([
    [/SEED_SPEC: there is a seed for nowhere/, { nowhere: {} }],
    [/SEED_SPEC: sample of people is "0%"/, { people: { sample: '0%' } }],
    [/SEED_SPEC: sample of people is "101%"/, { people: { sample: '101%' } }],
    [/SEED_SPEC: sample of people is 0/, { people: { sample: 0 } }],
    [/SEED_SPEC: sample of people is 1.5/, { people: { sample: 1.5 } }],
    [/SEED_SPEC: sample of people is "some"/, { people: { sample: 'some' } }],
    [/SEED_SPEC: people has no column nix/, { people: { set: { nix: 1 } } }],
    [/SEED_SPEC: people has no column nix/, { people: { mask: { nix: 'token' } } }],
    [/SEED_SPEC: people has no column nix/, { people: { idOffset: { nix: 1 } } }],
    [
      /SEED_SPEC: mask of people.email is "rot13": kinds are token, email/,
      { people: { mask: { email: 'rot13' as 'token' } } },
    ],
    [/SEED_SPEC: people.email \(varchar\(80\)\) cannot be shifted/, { people: { idOffset: { email: 1 } } }],
    [/SEED_SPEC: people.id \(int\) cannot be shifted by 0.5/, { people: { idOffset: 0.5 } }],
    [/SEED_SPEC: people.age has no reserved range/, { people: { idOffset: { age: 'reserved' } } }],
    [/SEED_SPEC: idOffset of notes names no column/, { notes: { idOffset: 5 } }],
    [/SEED_RANGE: people.id \(int\) ends at 2147483647: ids up to 100/, { people: { idOffset: 2_147_483_600 } }],
    [
      /SEED_SPEC: accounts.owner and people.id are tied|SEED_SPEC: people.id and accounts.owner are tied/,
      { people: { idOffset: 5 }, accounts: { idOffset: { owner: 6 } } },
    ],
    [
      /SEED_SPEC: people.email is both shifted and masked/,
      { people: { idOffset: { email: 1 }, mask: { email: 'token' } } },
    ],
    [/SEED_SPEC: people.double_id is generated/, { people: { set: { double_id: 1 } } }],
    [
      /SEED_SPEC: people.short \(varchar\(10\)\) is too short for a token of kind token, which has 24/,
      { people: { mask: { short: 'token' } } },
    ],
    [/SEED_SPEC: people.age \(tinyint\) cannot hold a token of kind token/, { people: { mask: { age: 'token' } } }],
    [/SEED_SPEC: people.born \(date\) cannot be masked: use set/, { people: { mask: { born: 'token' } } }],
    [/SEED_SPEC: people.email is unique, and tokens of kind name are few/, { people: { mask: { email: 'name' } } }],
    [/SEED_SPEC: people.email cannot be set: it is unique/, { people: { set: { email: 'x' } } }],
    [/SEED_SPEC: people.email cannot be set to null/, { people: { set: { email: null } } }],
    [/SEED_SPEC: people.id cannot be set/, { people: { set: { id: 3 } }, accounts: {} }],
    [
      /SEED_SPEC: people.pin cannot be set: it is shifted or masked as well/,
      { people: { set: { pin: 'x' }, mask: { pin: 'token' } } },
    ],
    [/SEED_NO_KEY: notes has no primary key/, { notes: { sample: '5%' } }],
  ])('refuses: %s', (expected, seeds) => {
    expect(() => planned(seeds)).toThrow(expected);
  });

  it('a table without a key is copied whole while it is small', () => {
    expect(planned({ notes: {} }, new Map([['notes', 100]])).warnings).toEqual([
      'notes has no key to divide it by: one statement copies it',
    ]);
    expect(() => planned({ notes: {} }, new Map([['notes', 100_001]]))).toThrow(
      /SEED_NO_KEY: notes has no key.*100001 rows/,
    );
    expect(planned({ old: {} }).warnings).toEqual([expect.stringMatching(/old is a table of engine MyISAM/)]);
  });

  it('reads samples', () => {
    expect(parseSample('t', '100%')).toEqual({ kind: 'share', threshold: 2 ** 32 });
    expect(parseSample('t', ' 12.5 % ')).toEqual({ kind: 'share', threshold: 2 ** 29 });
    expect(parseSample('t', '250')).toEqual({ kind: 'count', rows: 250 });
  });
});
