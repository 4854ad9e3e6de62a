import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Scratch, scratch } from '../../fixtures/scratch.js';
import { type Difference, drift, plan, provision, verify } from './index.js';

let test: Scratch;
beforeEach(async () => {
  test = await scratch();
  await test.run(
    'create table p (id int primary key)',
    `create table t (id int auto_increment primary key, a int not null default 3, b varchar(40), g int as (a + 1) stored, p int,
       key ab (a, b), unique key un (b), constraint ck check (a < 100), constraint to_p foreign key (p) references p (id))`,
    'create table parts (id int, y int) partition by range (y) (partition p0 values less than (10), partition p1 values less than (20))',
    'create table log (id int auto_increment primary key, what varchar(20))',
    "create trigger g1 after insert on t for each row insert into log (what) values ('1')",
    "create trigger g2 after insert on t for each row insert into log (what) values ('2')",
    'create view v as select id, a from t where a > 1',
  );
});
afterEach(async () => test.close());

const tables = { p: 'shadow', t: 'shadow', parts: 'shadow', log: 'shadow', v: 'shadow' } as const;
const anew = /drops the shadow table, its rows with it, and makes it anew/;

const cases: [what: string, changes: string[], found: Partial<Difference>[], remedy: RegExp][] = [
  ['a column', ['alter table t add column z int'], [{ what: 'column', name: 'z', real: 'position 6' }], anew],
  [
    'a place',
    ['alter table t modify b varchar(40) after id'],
    [
      { what: 'column', name: 'b', real: 'position 2', shadow: 'position 3' },
      { what: 'column', name: 'a' },
    ],
    anew,
  ],
  [
    'a type',
    ['alter table t modify b varchar(41)'],
    [{ what: 'type', name: 'b', real: 'varchar(41)', shadow: 'varchar(40)' }],
    anew,
  ],
  [
    'nullability',
    ["alter table t modify b varchar(40) not null default 'x'"],
    [
      { what: 'nullability', name: 'b' },
      { what: 'default', name: 'b' },
    ],
    anew,
  ],
  [
    'a default',
    ['alter table t alter a set default 4'],
    [{ what: 'default', name: 'a', real: '4', shadow: '3' }],
    anew,
  ],
  ['a generated column', ['alter table t modify g int as (a + 2) stored'], [{ what: 'generated', name: 'g' }], anew],
  [
    'ON UPDATE',
    ['alter table log add at timestamp default current_timestamp on update current_timestamp', 'select 1'],
    [{ what: 'column', name: 'at' }],
    anew,
  ],
  ['a collation', ['alter table t modify b varchar(40) collate utf8mb4_bin'], [{ what: 'collation', name: 'b' }], anew],
  ['the collation of the table', ['alter table log collate utf8mb4_bin'], [{ what: 'collation' }], anew],
  [
    'an index',
    ['alter table t drop key ab, add key ab (a)'],
    [{ what: 'index', name: 'ab', real: 'BTREE (a)', shadow: 'BTREE (a, b)' }],
    anew,
  ],
  ['whether it is unique', ['alter table t drop key un, add key un (b)'], [{ what: 'index', name: 'un' }], anew],
  ['that it is ignored', ['alter table t alter index ab ignored'], [{ what: 'definition', name: 'key ab' }], anew],
  [
    'a check',
    ['alter table t drop constraint ck, add constraint ck check (a < 200)'],
    [{ what: 'check', name: 'ck' }],
    anew,
  ],
  [
    'a check of a column',
    ['alter table log modify what varchar(20) check (what <> "z")'],
    [{ what: 'check', name: 'what' }],
    anew,
  ],
  [
    'a partition',
    ['alter table parts add partition (partition p2 values less than (30))'],
    [{ what: 'partition' }],
    anew,
  ],
  ['the engine', ['alter table log engine = aria'], [{ what: 'engine', real: 'Aria', shadow: 'InnoDB' }], anew],
  [
    'a comment of a column',
    ["alter table t modify b varchar(40) comment 'new'"],
    [{ what: 'definition', name: 'column b' }],
    anew,
  ],
  [
    'an option of the table',
    ['alter table t row_format = compressed'],
    [{ what: 'definition', name: 'options' }],
    anew,
  ],
  [
    'a foreign key',
    [
      'alter table t drop foreign key to_p',
      'alter table t add constraint to_p foreign key (p) references p (id) on delete cascade',
    ],
    [{ what: 'foreign-key' }],
    /makes it anew/,
  ],
  ['a foreign key that is gone', ['alter table t drop foreign key to_p'], [{ what: 'foreign-key' }], /makes it anew/],
  [
    'a trigger',
    [
      'drop trigger g1',
      "create trigger g1 after insert on t for each row precedes g2 insert into log (what) values ('3')",
    ],
    [{ what: 'trigger' }],
    /makes it anew/,
  ],
  [
    'the order of triggers',
    ['drop trigger g1', "create trigger g1 after insert on t for each row insert into log (what) values ('1')"],
    [{ what: 'trigger', real: expect.stringMatching(/^order g2\S*, g1/) as unknown as string }],
    /makes it anew/,
  ],
  [
    'a view',
    ['create or replace view v as select id, a from t where a > 2'],
    [{ what: 'view', table: 'v' }],
    /makes it anew/,
  ],
  [
    'ids that have reached the range',
    ['alter table t auto_increment = 1000000005'],
    [{ what: 'range', real: 'real ids up to 1000000004', shadow: 'shadow ids from 1000000000' }],
    /leaked rows first/,
  ],
  [
    'a shadow counter that was set back',
    ['truncate table {shadow:log}'],
    [{ what: 'range', real: 'next shadow id from 1000000000', shadow: 'next shadow id 1' }],
    /range/,
  ],
  [
    'a run column that is gone',
    ['alter table {shadow:log} drop column shadowline_run'],
    [{ what: 'run-column', name: 'shadowline_run' }],
    anew,
  ],
  [
    'a run column that no longer fills itself',
    ['alter table {shadow:log} alter shadowline_run set default (@shadowline_run)'],
    [{ what: 'run-column', shadow: 'varchar(64) ascii_bin default @`shadowline_run`' }],
    anew,
  ],
  [
    'a shadow table that is gone',
    ['set foreign_key_checks = 0', 'drop table {shadow:log}'],
    [{ what: 'missing', table: 'log' }],
    /makes it/,
  ],
  ['a shadow view that is gone', ['drop view {shadow:v}'], [{ what: 'view', table: 'v' }], /makes it anew/],
  ['a shadow index that is gone', ['alter table {shadow:t} drop key ab'], [{ what: 'index', name: 'ab' }], anew],
  [
    'a stray trigger of the shadow',
    [
      `create trigger {shadow:stray} after update on {shadow:log} for each row insert into {main}.log (what) values ('leak')`,
    ],
    [{ what: 'trigger', table: 'log' }],
    /makes it anew/,
  ],
  [
    'a stray key of the shadow',
    ['alter table {shadow:t} add constraint stray foreign key (a) references {main}.p (id)'],
    [{ what: 'foreign-key', name: 'stray' }],
    /makes it anew/,
  ],
];

// each case in one of the modes: half the time, and a fault of one mode shows all the same
it.each(cases.map((one, index) => [one[0], (['table', 'schema'] as const)[index % 2] ?? 'table', one] as const))(
  'drift: %s, mode %s',
  async (_, mode, [, changes, expected, remedy]) => {
    const side = mode === 'table' ? '{main}' : '{main}_shadow';
    const filled = (sql: string): string =>
      sql
        .replaceAll(/\{shadow:(\w+)\}/g, (__, name: string) => `${side}.${name}${mode === 'table' ? '_shadow' : ''}`)
        .replaceAll('{side}', side);
    const options = test.options(tables, { mode });
    await provision(test.db, await plan(test.db, options));
    for (const change of changes) await test.run(filled(change));
    const found = await drift(test.db, options);
    expect(found).toMatchObject(expected);
    expect(found[0]?.remedy).toMatch(remedy);
    expect((await verify(test.db, options)).ok).toBe(false);
    const real = await test.query('show create table t');
    await provision(test.db, await plan(test.db, options));
    expect(await drift(test.db, options)).toEqual([]);
    expect((await verify(test.db, options)).checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(await test.query('show create table t')).toEqual(real);
  },
);
