import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Scratch, scratch } from '../../fixtures/scratch.js';
import { dbOf } from '../../fixtures/server.js';
import { clean, drift, plan, provision, verify } from './index.js';

let test: Scratch;
beforeEach(async () => {
  test = await scratch();
});
afterEach(async () => test.close());

/** Plans, provisions, and expects that nothing is left to do and that nothing real has changed. */
async function provisioned(options: ReturnType<Scratch['options']>): Promise<Awaited<ReturnType<typeof plan>>> {
  const planned = await plan(test.db, options);
  await provision(test.db, planned, options.account ? { password: options.account.password } : {});
  expect(await drift(test.db, options)).toEqual([]);
  const again = await plan(test.db, options);
  expect(again.steps.filter(({ kind }) => kind !== 'account')).toEqual([]);
  return planned;
}

describe.each(['table', 'schema'] as const)('what a shadow table is made of, mode %s', (mode) => {
  const shadow = (name: string, database = test.main): string =>
    mode === 'table' ? `${database}.${name}_shadow` : `${database}_shadow.${name}`;
  const definition = async (name: string, database = test.main): Promise<string> =>
    String((await test.query(`show create table ${shadow(name, database)}`))[0]?.['Create Table']);

  it.each<[what: string, sql: string[], kept: RegExp[]]>([
    [
      'columns: generated, invisible, with defaults that call functions, comments with every kind of quote',
      [
        `create table t (id bigint unsigned not null auto_increment primary key, a int, d int generated always as (a + 1) stored, e int as (a * 2) virtual,
         h timestamp default current_timestamp on update current_timestamp, u uuid default uuid(), hid int invisible default 4, z int zerofill,
         s set('a','b''c') default 'a', en enum('x', 'y,)') comment 'co,m"m\\\\('';', bb bit(3) default b'101', dt date default (curdate() + interval 1 day))
         comment = 'AUTO_INCREMENT=7 COMMENT=''x''' row_format = compressed auto_increment = 9`,
      ],
      [
        /GENERATED ALWAYS AS \(`a` \+ 1\) STORED/,
        /VIRTUAL/,
        /`hid` int\(11\) INVISIBLE DEFAULT 4/,
        /ROW_FORMAT=COMPRESSED/,
      ],
    ],
    [
      'partitions with bounds that look like the end of a comment',
      [
        `create table t (a int, b varchar(20)) partition by range columns (a, b) (partition p values less than (1, 'it''s */ /*! x'), partition q values less than (maxvalue, maxvalue))`,
      ],
      [/VALUES LESS THAN \(1,'it''s \*\/ \/\*! x'\)/],
    ],
    [
      'checks of columns and of the table',
      [
        'create table t (a int check (a > 3), b int, c json, check (a > 0), constraint ck check (b < 1000 and b <> a), d varchar(9) check (d like "%select; union = (x)%" or d regexp "^rename"))',
      ],
      [/CHECK \(`a` > 3\)/, /CONSTRAINT `CONSTRAINT_1` CHECK/, /CONSTRAINT `ck` CHECK/, /json_valid/],
    ],
    [
      'indexes: prefixes, descending, ignored, fulltext, spatial, unique',
      [
        `create table t (a int, b varchar(200), g geometry not null, key ab (b(5) desc, a), key ig (a) ignored comment 'x''y', fulltext key ft (b),
         spatial key sp (g), unique key un (a, b))`,
      ],
      [/`b`\(5\) DESC/, /IGNORED/, /FULLTEXT KEY/, /SPATIAL KEY/, /UNIQUE KEY/],
    ],
    [
      'partitions by range with subpartitions',
      [
        `create table t (a int, b date) partition by range (year(b)) subpartition by hash (a) subpartitions 2
         (partition p0 values less than (2000) comment = 'old', partition p1 values less than maxvalue)`,
      ],
      [/SUBPARTITION BY HASH/, /COMMENT = 'old'/],
    ],
    [
      'partitions by list',
      [
        "create table t (a int, c varchar(3)) partition by list columns (c) (partition p0 values in ('a', 'b'), partition px default)",
      ],
      [/PARTITION BY LIST +COLUMNS/],
    ],
    [
      'partitions by key',
      ['create table t (a int primary key) partition by key () partitions 3'],
      [/PARTITION BY KEY/],
    ],
    [
      'versions and periods',
      [
        `create table t (id int, s date, e date, x int without system versioning, period for app (s, e), unique (id, app without overlaps)) with system versioning
         partition by system_time interval 1 month partitions 4`,
      ],
      [/PERIOD FOR `app`/, /WITHOUT OVERLAPS/, /WITH SYSTEM VERSIONING/, /PARTITION BY SYSTEM_TIME/],
    ],
    [
      'a table that is not transactional, counting in the second column',
      ['create table t (a int, b int auto_increment, primary key (a, b)) engine = myisam'],
      [/ENGINE=MyISAM/],
    ],
    [
      'pages that are compressed',
      ['create table t (a int primary key) page_compressed = 1 page_compression_level = 3'],
      [/`?PAGE_COMPRESSED`?=1/i],
    ],
    [
      'names with every kind of quote',
      ['create table t (`a``b\'c"d.e` int, `select` int, key `k``k` (`select`), check (`a``b\'c"d.e` <> 4))'],
      [/`a``b'c"d.e`/],
    ],
    [
      'other character sets',
      ["create table t (a varchar(10) character set latin1 default 'é', b char(3) collate utf8mb4_bin) charset = ucs2"],
      [/latin1/, /ucs2/],
    ],
  ])('%s', async (_, sql, kept) => {
    await test.run(...sql);
    const real = await test.query('show create table t');
    await provisioned(test.options({ t: 'shadow' }, { mode }));
    const made = await definition('t');
    for (const pattern of kept) expect(made).toMatch(pattern);
    expect(made).toMatch(/`shadowline_run` varchar\(64\) CHARACTER SET ascii COLLATE ascii_bin INVISIBLE/);
    expect(made).toMatch(/COMMENT='shadowline/);
    expect(await test.query('show create table t')).toEqual(real);
  });

  it('keys: composite, to itself, in a circle, across databases; what it leaves out has a name and a reason', async () => {
    await test.run(
      'create table {crm}.people (id int primary key, org int)',
      'create table {crm}.lone (id int primary key)',
      'create table rates (id int primary key)',
      'create table a (x int, y int, up_x int, up_y int, b_id int, primary key (x, y), constraint up foreign key (up_x, up_y) references a (x, y) on delete set null on update cascade)',
      'create table b (id int primary key, x int, y int, person int, rate int, lone int)',
      'alter table a add constraint to_b foreign key (b_id) references b (id)',
      `alter table b add constraint to_a foreign key (x, y) references a (x, y) on delete cascade, add constraint to_person foreign key (person) references {crm}.people (id),
       add constraint to_rate foreign key (rate) references rates (id), add constraint to_lone foreign key (lone) references {crm}.lone (id)`,
      'alter table {crm}.people add constraint home foreign key (org) references {main}.b (id)',
    );
    const options = test.options(
      { '?': 'shadow', '{crm}.people': 'shadow', rates: 'real-read', a: 'shadow', b: 'shadow' },
      { mode },
    );
    delete (options.tables as Record<string, unknown>)['?'];
    const { warnings } = await provisioned(options);
    expect(warnings.filter((text) => text.startsWith('foreign key'))).toEqual([
      expect.stringContaining(
        `foreign key to_lone of b is left out: a shadow row that refers to the real table ${test.crm}.lone`,
      ),
      expect.stringContaining('foreign key to_rate of b is left out: a shadow row that refers to the real table rates'),
    ]);
    const shadowSchema = (database: string): string => (mode === 'table' ? database : `${database}_shadow`);
    const keys = await test.query(
      `select constraint_name as name, referenced_table_name as parent, unique_constraint_schema as ps, delete_rule as d, update_rule as u
       from information_schema.referential_constraints where constraint_schema in ('${shadowSchema(test.main)}', '${shadowSchema(test.crm)}')
       and table_name in ('a${mode === 'table' ? '_shadow' : ''}', 'b${mode === 'table' ? '_shadow' : ''}', 'people${mode === 'table' ? '_shadow' : ''}') order by 1`,
    );
    const end = mode === 'table' ? '_shadow' : '';
    expect(keys).toEqual([
      { name: `home${end}`, parent: `b${end}`, ps: shadowSchema(test.main), d: 'RESTRICT', u: 'RESTRICT' },
      { name: `to_a${end}`, parent: `a${end}`, ps: shadowSchema(test.main), d: 'CASCADE', u: 'RESTRICT' },
      { name: `to_b${end}`, parent: `b${end}`, ps: shadowSchema(test.main), d: 'RESTRICT', u: 'RESTRICT' },
      { name: `to_person${end}`, parent: `people${end}`, ps: shadowSchema(test.crm), d: 'RESTRICT', u: 'RESTRICT' },
      { name: `up${end}`, parent: `a${end}`, ps: shadowSchema(test.main), d: 'SET NULL', u: 'CASCADE' },
    ]);
  });

  it('patterns and ranges take the tables that exist; a pattern that matches nothing is told', async () => {
    for (const name of ['order_00', 'order_01', 'order_02', 'orders_old', 'log_a', 'log_b']) {
      await test.run(`create table ${name} (id int primary key)`);
    }
    await test.run('create table {crm}.lead_1 (id int primary key)', 'create table {crm}.note (id int primary key)');
    const options = test.options(
      {
        'order_00..order_63': 'shadow',
        'log_*': 'shadow',
        log_b: 'refuse',
        '{crm}.lead_*': 'shadow',
        '{crm}.note': 'real-read',
        'nothing_*': 'shadow',
      },
      { mode, account: test.account },
    );
    const planned = await provisioned(options);
    expect(planned.steps.filter(({ kind }) => kind === 'table').map(({ subject }) => subject)).toEqual([
      'log_a',
      'order_00',
      'order_01',
      'order_02',
      `${test.crm}.lead_1`,
    ]);
    expect(planned.warnings).toContain(`nothing_* matches no table of ${test.main}`);
    const own = dbOf(await test.connect(test.account.user, test.account.password));
    const { checks, ok } = await verify(test.db, options, { shadowAccountDb: own });
    expect(checks.filter((check) => !check.ok)).toEqual([]);
    expect(ok).toBe(true);
    await own.query(`insert into ${shadow('lead_1', test.crm)} (id) values (1)`);
    await expect(own.query(`insert into ${test.crm}.lead_1 (id) values (1)`)).rejects.toMatchObject({ errno: 1142 });
  });

  it('a default that draws from a sequence draws from its twin, and the real one stands still', async () => {
    await test.run(
      'create sequence s start with 5 increment by 2 nocache',
      'create table t (id int default (next value for s), b int default (nextval({main}.s) + 1), c int)',
    );
    await expect(plan(test.db, test.options({ t: 'shadow' }, { mode }))).rejects.toThrow(
      new RegExp(`SEQUENCE: a default of t draws from the real sequence ${test.main}\\.s`),
    );
    const options = test.options({ t: 'shadow', s: 'shadow' }, { mode, account: test.account, autoIncrementGap: 1000 });
    const planned = await provisioned(options);
    expect(planned.steps.map(({ kind }) => kind)).toContain('sequence');
    const own = await test.connect(test.account.user, test.account.password);
    await own.query(`insert into ${shadow('t')} (c) values (1)`);
    expect(await test.query(`select id, b from ${shadow('t')}`)).toEqual([{ id: 1005, b: 1008 }]);
    expect(await test.query('select next value for s as n')).toEqual([{ n: 5 }]);
  });

  it('views: over views, in order, with algorithm, check option and column names; one over what has no shadow is left out', async () => {
    await test.run(
      'create table t (id int primary key, x int)',
      'create table other (id int primary key)',
      'create view z_base as select id, x from t where x > 0 with local check option',
      'create algorithm = temptable view a_top (ident, twice) as with c as (select id, x from z_base) select id, x * 2 from c union select 0, (select max(x) from t)',
      "create algorithm = merge view m_join as select p.id, q.x from t p join t q on q.id = p.id where p.x = 'it''s'",
      'create view bad as select * from other',
      'create view bad_too as select * from bad',
    );
    const tables = {
      t: 'shadow',
      z_base: 'shadow',
      a_top: 'shadow',
      m_join: 'shadow',
      bad: 'shadow',
      bad_too: 'shadow',
    } as const;
    const planned = await provisioned(test.options(tables, { mode }));
    expect(planned.steps.filter(({ kind }) => kind === 'view').map(({ subject }) => subject)).toEqual([
      'm_join',
      'z_base',
      'a_top',
    ]);
    expect(planned.warnings.filter((text) => text.startsWith('view'))).toEqual([
      expect.stringMatching(/^view bad is left out: SQL_UNCLASSED_TABLE/),
      expect.stringMatching(/^view bad_too is left out: it reads \S+bad\S*, which has no shadow/),
    ]);
    await test.run(
      `insert into ${shadow('t')} values (1, 5)`,
      "set @shadowline_run = 'r1'",
      `insert into ${shadow('t')} values (2, 6)`,
    );
    expect(await test.query(`select * from ${shadow('a_top')} order by 1`)).toEqual([
      { ident: 0, twice: 6 },
      { ident: 1, twice: 10 },
      { ident: 2, twice: 12 },
    ]);
    await expect(test.run(`insert into ${shadow('z_base')} values (3, -1)`)).rejects.toMatchObject({ errno: 1369 });
    expect(await test.query('select count(*) as n from t')).toEqual([{ n: 0 }]);
  });

  it('triggers: several of one event in order, sql_mode, variables, IF, CASE, SELECT INTO; what is not proven is left out by name', async () => {
    await test.run(
      'create table t (id int auto_increment primary key, x int, note varchar(60) default "")',
      'create table log (id int auto_increment primary key, what varchar(60))',
      'create table other (id int primary key)',
      'create trigger one before insert on t for each row set NEW.note = concat(NEW.note, "1")',
      "set session sql_mode = 'ANSI_QUOTES'",
      `create trigger two before insert on t for each row set NEW."note" = concat(NEW."note", '2')`,
      "set session sql_mode = ''",
      'create trigger zero before insert on t for each row precedes one set NEW.note = concat(NEW.note, "0")',
      `create trigger flow after insert on t for each row begin
         declare n, m int default 0; -- how many
         declare label varchar(20) default case when NEW.x > 5 then 'big' else 'small' end;
         select count(*), max(id) into n, m from t where t.x = NEW.x;
         if n > 1 and exists (select 1 from log) then insert into log (what) values (concat(label, ' again'));
         elseif NEW.x is null then signal sqlstate '45000' set message_text = 'no x';
         else
           case when NEW.x > 100 then delete from log where log.id < 0; else update log set what = concat(what, '!') where log.id < 0; end case;
           set n = n + 1, label = concat(label, n);
           insert into log (what) values (label);
         end if;
       end`,
      'create trigger loops after update on t for each row begin declare i int default 0; while i < 3 do set i = i + 1; end while; end',
      'create trigger reaches after delete on t for each row insert into other values (OLD.id)',
      'create trigger reaches_too after delete on t for each row begin declare n int; select count(*) into n from other; end',
      'create trigger cursors after delete on t for each row begin declare c cursor for select id from log; end',
    );
    const planned = await provisioned(test.options({ t: 'shadow', log: 'shadow' }, { mode }));
    expect(planned.warnings.filter((text) => text.startsWith('trigger'))).toEqual([
      expect.stringMatching(/^trigger reaches of t is left out: SQL_UNCLASSED_TABLE/),
      expect.stringMatching(/^trigger reaches_too of t is left out: SQL_UNCLASSED_TABLE/),
      expect.stringMatching(/^trigger cursors of t is left out: DECLARE of cursors/),
      expect.stringMatching(/^trigger loops of t is left out: WHILE/),
    ]);
    await test.run(
      "set @shadowline_run = 'r1'",
      `insert into ${shadow('t')} (x) values (7)`,
      "set @shadowline_run = 'r2'",
      `insert into ${shadow('t')} (x) select x from ${shadow('t')}`,
      'set @shadowline_run = null',
      `insert into ${shadow('t')} (x) values (8)`,
    );
    expect(await test.query(`select x, note, shadowline_run as run from ${shadow('t')} order by id`)).toEqual([
      { x: 7, note: '012', run: 'r1' },
      { x: 7, note: '012', run: 'r2' },
      { x: 8, note: '012', run: null },
    ]);
    expect(await test.query(`select what, shadowline_run as run from ${shadow('log')} order by id`)).toEqual([
      { what: 'big2', run: 'r1' },
      { what: 'big again', run: 'r2' },
      { what: 'big2', run: null },
    ]);
    await expect(test.run(`insert into ${shadow('t')} (x) values (null)`)).rejects.toThrow('no x');
    expect(
      await test.query(
        'select (select count(*) from t) + (select count(*) from log) + (select count(*) from other) as n',
      ),
    ).toEqual([{ n: 0 }]);
  });
});

it('triggers whose strings have backslashes are as the real ones, in their order', async () => {
  await test.run(
    'create table t (id int auto_increment primary key, a varchar(99))',
    String.raw`create trigger one before insert on t for each row set NEW.a = concat(NEW.a, 'a\\b', 'it\'s', "\n%\_")`,
    String.raw`create trigger two before insert on t for each row follows one set NEW.a = concat('\\', NEW.a)`,
  );
  for (const mode of ['', 'ORACLE', 'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH']) {
    const db = dbOf(await test.connect());
    await db.query(`set session sql_mode = '${mode}'`);
    const options = test.options({ t: 'shadow' });
    await provision(db, await plan(db, options));
    expect(await drift(db, options)).toEqual([]);
    await test.run("insert into t (a) values ('x')", "insert into t_shadow (a) values ('x')");
    const [real, shadow] = [await test.query('select a from t'), await test.query('select a from t_shadow')];
    expect(shadow.at(-1)).toEqual(real.at(-1));
    await clean(db, options, { what: 'drop', dryRun: false });
  }
});

it('rows know the run of the session that wrote them, whichever session opened the table first', async () => {
  await test.run('create table t (id int auto_increment primary key, expected varchar(10))');
  await provisioned(test.options({ t: 'shadow' }));
  const sessions = await Promise.all(['A', 'B', null].map(async (run) => ({ run, connection: await test.connect() })));
  for (const { run, connection } of sessions) await connection.query('set @shadowline_run = ?', [run]);
  for (let round = 0; round < 4; round += 1) {
    await Promise.all(
      sessions.map(({ run, connection }) => connection.query('insert into t_shadow (expected) values (?)', [run])),
    );
    for (const { run, connection } of sessions)
      await connection.execute('insert into t_shadow (expected) values (?)', [run]);
  }
  const [first, second] = sessions;
  await first?.connection.query("set @shadowline_run = 'C'");
  await first?.connection.query("replace into t_shadow values (1000000001, 'C')");
  await second?.connection.query("insert into t_shadow select id + 100, 'B' from t_shadow where expected = 'A'");
  expect(await test.query('select count(*) as n from t_shadow where not (expected <=> shadowline_run)')).toEqual([
    { n: 0 },
  ]);
  expect(
    Object.keys((await test.query('select * from t_shadow natural join t_shadow other limit 1'))[0] ?? {}),
  ).toEqual(['id', 'expected']);
});

it('says how many ids are left, and what reserving cannot do', async () => {
  await test.run(
    'create table small (id smallint unsigned auto_increment primary key)',
    'create table wide (id bigint auto_increment primary key, x int)',
    'create table keyless (x int)',
    'create table aria (x int) engine = aria',
    'create table second (a int, b int auto_increment, primary key (a, b)) engine = myisam',
  );
  const options = test.options(
    { small: 'shadow', wide: 'shadow', keyless: 'shadow', aria: 'shadow', second: 'shadow' },
    { autoIncrementGap: { small: 1000 } },
  );
  const planned = await provisioned(options);
  expect(planned.reserved).toEqual([
    { table: 'small', column: 'id', firstShadowId: '1000' },
    { table: 'wide', column: 'id', firstShadowId: '1000000000' },
  ]);
  expect(planned.steps.find(({ subject }) => subject === 'wide')?.reason).toMatch(
    /ids from 1000000000.*: 9223372035854775808 left/,
  );
  for (const pattern of [
    /small\.id has 64536 shadow ids left/,
    /keyless has no primary key/,
    /aria has the engine Aria: its shadow rows stay when a transaction is rolled back/,
    /second\.b counts from 1 for each prefix of its key/,
  ]) {
    expect(planned.warnings.join('\n')).toMatch(pattern);
  }
});
