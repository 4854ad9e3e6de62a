import { expect, it } from '@jest/globals';
import { guardAccount, guardShadowOnly } from './guard.js';
import { Names } from './options.js';

const tables = { t: 'shadow', 'crm.p': 'shadow', r: 'real-read' } as const;
const modes = {
  table: new Names({ database: 'app', mode: 'table', tables }),
  schema: new Names({ database: 'app', mode: 'schema', tables }),
};

it.each<[mode: keyof typeof modes, sql: string]>([
  ['table', 'CREATE TABLE `app`.`t_shadow` (a int)'],
  [
    'table',
    "CREATE TABLE `app`.`t_shadow` (`a` int DEFAULT nextval(`app`.`s_shadow`) CHECK (`b` like 'x;y')) ENGINE=InnoDB",
  ],
  ['table', 'ALTER TABLE `crm`.`p_shadow` ADD FOREIGN KEY (`a`) REFERENCES `app`.`t_shadow` (`b`)'],
  ['table', 'CREATE TRIGGER `app`.`g_shadow` BEFORE INSERT ON `app`.`t_shadow` FOR EACH ROW BEGIN SET NEW.a = 1; END'],
  ['table', 'CREATE OR REPLACE ALGORITHM = MERGE SQL SECURITY INVOKER VIEW `app`.`v_shadow` AS select 1'],
  ['schema', 'DROP TABLE `app_shadow`.`t`'],
  ['schema', 'CREATE SEQUENCE `crm_shadow`.`s` START WITH 1'],
])('lets through, mode %s: %s', (mode, sql) => {
  expect(() => guardShadowOnly(sql, modes[mode])).not.toThrow();
});

it.each<[mode: keyof typeof modes, sql: string]>([
  ['table', 'CREATE TABLE `app`.`t` (a int)'],
  ['table', 'CREATE TABLE t_shadow (a int)'],
  ['table', 'CREATE TABLE `app`.`t_shadow` LIKE `app`.`t`'],
  ['table', 'CREATE TABLE `app`.`t_shadow` (LIKE t)'],
  ['table', 'CREATE TABLE `app`.`t_shadow` (a int) AS SELECT 1'],
  ['table', 'CREATE TABLE `app`.`t_shadow` (a int) ENGINE=MERGE UNION=(t)'],
  ['table', "CREATE TABLE `app`.`t_shadow` (a int) ENGINE=FEDERATED CONNECTION='mysql://x/app/t'"],
  ['table', "CREATE TABLE `app`.`t_shadow` (a int) DATA DIRECTORY='/x'"],
  ['table', 'CREATE TABLE `app`.`t_shadow` (a int DEFAULT nextval(`app`.`s`))'],
  ['table', 'CREATE TABLE `app`.`t_shadow` (a int, FOREIGN KEY (a) REFERENCES t (a))'],
  ['table', 'ALTER TABLE `app`.`t_shadow` RENAME TO t'],
  ['table', 'ALTER TABLE `app`.`t_shadow` EXCHANGE PARTITION p WITH TABLE t'],
  ['table', 'ALTER TABLE `app`.`t_shadow` ADD FOREIGN KEY (a) REFERENCES `app`.`t` (a)'],
  ['table', 'DROP TABLE `app`.`t_shadow`; DROP TABLE `app`.`t`'],
  ['table', 'DROP TABLE `app`.`t_shadow`, `app`.`t`'],
  ['table', 'DELETE FROM `app`.`t_shadow` USING `app`.`t`'],
  ['table', 'DELETE FROM `other`.`t_shadow`'],
  ['table', 'DROP TABLE `app`.`_shadow`'],
  ['table', 'CREATE TRIGGER `app`.`g_shadow` BEFORE INSERT ON `app`.`t` FOR EACH ROW SET NEW.a = 1'],
  ['table', 'CREATE SQL SECURITY DEFINER VIEW `app`.`v_shadow` AS select 1'],
  ['schema', 'DROP TABLE `app`.`t`'],
  ['schema', 'DROP TABLE `app_shadow`.`t`, `app`.`t`'],
  ['schema', 'DROP DATABASE `app_shadow`'],
  ['schema', 'TRUNCATE TABLE `app_shadow`.`t`'],
  ['schema', ''],
])('refuses, mode %s: %s', (mode, sql) => {
  expect(() => guardShadowOnly(sql, modes[mode])).toThrow(/^NOT_SHADOW/);
});

const who = "'shadow'@'%'";
it.each<[mode: keyof typeof modes, sql: string, isRight: boolean]>([
  ['schema', 'CREATE DATABASE `app_shadow`', true],
  ['schema', 'CREATE DATABASE `app`', false],
  ['table', 'CREATE DATABASE `app`', false],
  ['table', `CREATE USER ${who} IDENTIFIED BY {password}`, true],
  ['table', "CREATE USER 'root'@'%' IDENTIFIED BY {password}", false],
  ['table', `GRANT SELECT, INSERT ON \`app\`.\`t_shadow\` TO ${who}`, true],
  ['table', `GRANT SELECT ON \`app\`.\`r\` TO ${who}`, true],
  ['table', `GRANT SELECT, INSERT ON \`app\`.\`new\nline_shadow\` TO ${who}`, true],
  ['table', `GRANT SELECT, INSERT ON \`app\`.\`r\` TO ${who}`, false],
  ['table', `GRANT DROP ON \`app\`.\`t_shadow\` TO ${who}`, false],
  ['table', `GRANT SELECT ON *.* TO ${who}`, false],
  ['table', `GRANT SELECT ON \`app\`.\`r\` TO 'x'@'%', ${who}`, false],
  ['table', `GRANT SELECT ON \`app\`.\`r\` TO ${who} WITH GRANT OPTION`, false],
  ['table', `REVOKE INSERT ON \`app\`.\`r\` FROM ${who}`, true],
])('account, mode %s: %s is %p', (mode, sql, isRight) => {
  const guard = expect(() => guardAccount(sql, modes[mode], who));
  if (isRight) guard.not.toThrow();
  else guard.toThrow(/^NOT_SHADOW/);
});
