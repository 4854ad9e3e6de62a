import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RewriterOptions } from '../../mysql/rewriter.js';
import { redirectBody } from './trigger-body.js';

const options: RewriterOptions = {
  dialect: 'mysql',
  mode: 'table',
  database: 'app',
  tables: { t: 'shadow', log: 'shadow', rates: 'real-read', secrets: 'refuse', 'crm.people': 'shadow' },
};
const redirected = (body: string, sqlMode = '', database = 'app'): string => {
  const result = redirectBody(body, sqlMode, options, { database, server: 'mariadb' });
  return 'body' in result ? result.body : `refused: ${result.refused}`;
};

it.each<[body: string, expected: string]>([
  ['insert into log values (NEW.id)', 'insert into `log_shadow` values (NEW.id)'],
  [
    'BEGIN insert into app.log values (1); -- why\n update log set a = 2; END;',
    'BEGIN insert into app.`log_shadow` values (1); -- why\n update `log_shadow` AS `log` set a = 2; END;',
  ],
  ['set NEW.a = (select max(x) from t)', 'set NEW.a = (select max(x) from `t_shadow` AS `t`)'],
  [
    'set NEW.a := 1, NEW.`b` = case when NEW.c then 1 else 2 end',
    'set NEW.a := 1, NEW.`b` = case when NEW.c then 1 else 2 end',
  ],
  [
    'begin declare a, b int default (select count(*) from rates); select x, y into a, b from t where t.id = NEW.id limit 1; end',
    'begin declare a, b int default (select count(*) from rates); select x, y   from `t_shadow` AS `t` where t.id = NEW.id limit 1 into a, b; end',
  ],
  [
    "if exists (select 1 from t) then delete from log; elseif NEW.a then begin end; else signal sqlstate value '45000' set message_text = 'no', mysql_errno = 1; end if",
    "if exists (select 1 from `t_shadow` AS `t`) then delete from `log_shadow`; elseif NEW.a then begin end; else signal sqlstate value '45000' set message_text = 'no', mysql_errno = 1; end if",
  ],
  [
    'case (select a from t limit 1) when 1 then delete from log; else begin end; end case',
    'case (select a from `t_shadow` AS `t` limit 1) when 1 then delete from `log_shadow`; else begin end; end case',
  ],
  ['insert into crm.people values (1)', 'insert into crm.`people_shadow` values (1)'],
])('understands %s', (body, expected) => {
  expect(redirected(body).replace(/`crm`\./, 'crm.')).toBe(expected);
});

it.each<[body: string, why: RegExp]>([
  ['insert into secrets values (1)', /^refused: SQL_REFUSED_TABLE/],
  ['insert into nowhere values (1)', /^refused: SQL_UNCLASSED_TABLE/],
  ['insert into rates values (1)', /^refused: SQL_REAL_WRITE/],
  ['insert into log_shadow values (1)', /^refused: SQL_SHADOW_NAME/],
  ['call p()', /^refused: CALL/],
  ['begin call p(); end', /^refused: CALL/],
  ['set NEW.a = f(1)', /^refused: SQL_FUNCTION/],
  ['set @a = 1', /is not understood$/],
  ['set GLOBAL x = 1', /is not understood$/],
  ['set x = 1', /no variable of the body is not understood/],
  ['set OLD.a = 1', /^refused: SET OLD/],
  ['while 1 do delete from log; end while', /^refused: WHILE/],
  ['begin x: loop leave x; end loop; end', /^refused: X in a body/],
  ['begin declare exit handler for sqlexception begin end; end', /^refused: DECLARE of cursors and handlers/],
  ['begin declare a type of secrets.word; end', /^refused: DECLARE with TYPE OF/],
  ['begin declare a row type of secrets; end', /^refused: DECLARE with TYPE OF/],
  ["select a into outfile '/tmp/x' from t", /^refused: INTO something/],
  ['begin declare a int; select 1 into @x from t; end', /^refused: INTO something/],
  ['begin declare a int; select 1 into a from t for update; end', /^refused: INTO beside/],
  ['begin declare a int; select 1 into a from secrets; end', /^refused: SQL_REFUSED_TABLE/],
  ['select 1 from t', /^refused: a SELECT without INTO/],
  ['if (select 1 from secrets) then begin end; end if', /^refused: SQL_REFUSED_TABLE/],
  ['if 1 from secrets then begin end; end if', /^refused: FROM in an expression/],
  ['begin end; drop table t', /^refused: text after the body/],
  ['begin delete from log', /^refused: .*where ; should be/],
  ['if 1 then delete from log; end', /^refused: nothing where IF should be/],
  ['begin /*! delete from secrets; */ end', /^refused: SQL_EXECUTABLE_COMMENT/],
  ["delete from log where a = 'x", /^refused: SQL_UNCLOSED/],
  ['execute immediate "delete from secrets"', /^refused: EXECUTE/],
  ['begin not atomic delete from log; end', /^refused: BEGIN NOT ATOMIC/],
  ['for i in 1..3 do delete from log; end for', /^refused: FOR/],
  ['', /^refused: nothing in a body/],
])('leaves out %s', (body, why) => {
  expect(redirected(body)).toMatch(why);
});

it('reads quotes as the trigger was made', () => {
  expect(redirected('insert into "log" values (\'a\')', 'ANSI_QUOTES')).toMatch(/log_shadow/);
  expect(redirected('insert into "log" values (\'a\')')).toMatch(/^refused/);
  expect(redirected("insert into log values ('\\'), ('delete from secrets')", 'NO_BACKSLASH_ESCAPES')).toMatch(
    /log_shadow/,
  );
  expect(redirected('begin null; end', 'PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ORACLE')).toMatch(
    /^refused: .*ORACLE/,
  );
});

it('whatever is put together from parts of bodies, no real table that has a shadow or is refused is left in what is understood', () => {
  const part = fc.constantFrom(
    'begin',
    'end',
    ';',
    'if',
    'then',
    'else',
    'elseif',
    'case',
    'when',
    'set',
    'NEW.a',
    '=',
    '1',
    '(',
    ')',
    'select',
    'into',
    'v',
    'from',
    'declare',
    'int',
    'default',
    'insert into',
    'values (1)',
    'delete from',
    'update',
    't',
    'log',
    'secrets',
    'app.t',
    '`t`',
    "'t'",
    '-- t\n',
    "signal sqlstate '45000'",
    ',',
    'end if',
    'end case',
    'where',
    'exists (select 1 from t)',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      const result = redirected(parts.join(' '));
      if (result.startsWith('refused')) return;
      const plain = result.replaceAll(/'[^']*'|-- [^\n]*\n/g, '').replaceAll(/AS `\w+`/g, '');
      // as a table these stand after FROM, INTO or UPDATE
      expect(plain).not.toMatch(/\b(?:from|into|update)\s+(?:app\s*\.\s*)?`?(?:t|log|secrets)\b(?!_shadow)/i);
    }),
    { numRuns: 3000 },
  );
});
