import type { TableName } from '../../mapping.js';
import type { Db } from '../db.js';
import { publicWarnings } from './account.js';
import { type Desired, type DesiredSequence, desired, realSide } from './desired.js';
import { actualSequence, actualTable, type Difference, differences } from './drift.js';
import { inspect } from './inspect.js';
import { markedFirst } from './mark.js';
import type { SchemaModel, SequenceModel, TableModel } from './model.js';
import { Names, type ShadowDbOptions } from './options.js';
import { full, quote, sameTable, shown } from './quote.js';
import { readHighest } from './range.js';
import { inSnapshot, readServer, sqlState } from './session.js';

export interface Check {
  name:
    | 'tables'
    | 'foreign-keys'
    | 'triggers'
    | 'ranges'
    | 'sequences'
    | 'views'
    | 'writes-real'
    | 'reads-real'
    | 'uses-shadow'
    | 'execute'
    | 'public';
  /** Table, sequence, or account. */
  subject: string;
  ok: boolean;
  detail: string;
}

export interface Verification {
  ok: boolean;
  checks: Check[];
}

/** "You may not." */
const denied = '42501';

/**
 * Proves on the server that the shadow side is separate. With `shadowAccountDb` (a connection of the restricted account) it tries INSERT,
 * UPDATE, DELETE, TRUNCATE and COPY on every real table and nextval on every real sequence, each in a form that changes nothing, and
 * expects the server's refusal (42501).
 */
export async function verify(
  db: Db,
  options: ShadowDbOptions,
  { shadowAccountDb }: { shadowAccountDb?: Db } = {},
): Promise<Verification> {
  const names = new Names(options);
  const server = await readServer(db, { mustWrite: false });
  const { model, wanted, openings } = await inSnapshot(db, async () => {
    const found = await inspect(db, server, [...names.realSchemas, ...names.shadowSchemas]);
    const want = await desired(found, names);
    return { model: found, wanted: want, openings: await publicWarnings(db, names) };
  });
  const highest = await readHighest(db, wanted.sequences, []);
  const checks = [
    ...structureChecks(wanted, model, names),
    ...wanted.sequences.map((sequence) => rangeCheck(sequence, model, highest.get(shown(sequence.real)))),
    ...keyChecks(wanted, model, names),
  ];
  if (shadowAccountDb) {
    const real = realSide(model, names);
    for (const table of real.tables) checks.push(...(await realTableChecks(shadowAccountDb, table, names)));
    for (const sequence of real.sequences) checks.push(await realSequenceCheck(shadowAccountDb, sequence));
    for (const { target } of wanted.tables) {
      const outcome = await attempt(shadowAccountDb, `DELETE FROM ${full(target)} WHERE false`);
      checks.push({
        name: 'uses-shadow',
        subject: shown(target),
        ok: outcome === '',
        detail: outcome === '' ? 'may write' : `error ${outcome}`,
      });
    }
    checks.push(await executeCheck(shadowAccountDb));
    // EXECUTE and CREATE that everybody has are told, and are for the administrator to judge; the tries above decide
    for (const detail of openings) checks.push({ name: 'public', subject: 'account', ok: true, detail });
  }
  return { ok: checks.every(({ ok }) => ok), checks };
}

function structureChecks(wanted: Desired, model: SchemaModel, names: Names): Check[] {
  const found = differences(wanted, model, names);
  const checks: Check[] = [];
  const told = (table: string, what: readonly Difference['what'][]): string =>
    found
      .filter((one) => one.table === table && what.includes(one.what))
      .map(({ what: kind, name }) => `${kind} ${name ?? ''}`.trim())
      .join(', ');
  const linked = ['foreign-key', 'trigger', 'rule'] as const;
  for (const table of wanted.tables) {
    const [subject, real] = [shown(table.target), names.plain(table.real)];
    const actual = actualTable(table.target, model);
    const others = [...new Set(found.map(({ what }) => what))].filter((what) => !linked.includes(what as never));
    const add = (name: Check['name'], fault: string, fine: string): void =>
      void checks.push({ name, subject, ok: fault === '', detail: fault || fine });
    add('tables', told(real, others), 'there, as the real one');
    if (actual === undefined) continue;
    const isOurs = (parent: TableName): boolean => wanted.tables.some(({ target }) => sameTable(target, parent));
    const strays = actual.foreignKeys.filter(({ parent }) => !isOurs(parent));
    add(
      'foreign-keys',
      strays.map((key) => `${key.name} → ${shown(key.parent)}`).join(', ') || told(real, ['foreign-key']),
      `${actual.foreignKeys.length} to shadow parents`,
    );
    add('triggers', told(real, ['trigger', 'rule']), `${actual.triggers.length}, none of which touches a real table`);
    const reals = actual.columns
      .flatMap((column) => column.sequences)
      .filter((sequence) => !wanted.sequences.some(({ target }) => sameTable(target, sequence)));
    add('sequences', reals.map(shown).join(', '), 'ids come from shadow sequences');
  }
  for (const view of wanted.views) {
    const fault = told(names.plain(view.real), ['view']);
    checks.push({
      name: 'views',
      subject: shown(view.target),
      ok: fault === '',
      detail: fault === '' ? 'reads shadow tables' : 'missing, or reads something else',
    });
  }
  return checks;
}

/** A key from a real table to a shadow row would tie real deletes to shadow rows. */
function keyChecks(wanted: Desired, model: SchemaModel, names: Names): Check[] {
  return realSide(model, names)
    .tables.filter((table) =>
      table.foreignKeys.some(({ parent }) => wanted.tables.some(({ target }) => sameTable(target, parent))),
    )
    .map((table) => ({
      name: 'foreign-keys',
      subject: shown(table),
      ok: false,
      detail: 'a real table refers to a shadow table',
    }));
}

function rangeCheck(sequence: DesiredSequence, model: SchemaModel, highest: bigint | undefined): Check {
  const actual = actualSequence(sequence, model);
  const first = actual && markedFirst(actual);
  const subject = shown(sequence.target);
  if (actual === undefined || first === undefined)
    return { name: 'ranges', subject, ok: false, detail: 'no shadow sequence with a reserved range' };
  const last = BigInt(sequence.real.last ?? 0);
  const reached = highest !== undefined && highest > last ? highest : last;
  const next = actual.last === undefined ? BigInt(actual.start) : BigInt(actual.last) + BigInt(actual.increment);
  const ok = BigInt(first) > reached && next >= BigInt(first) && BigInt(actual.min) >= BigInt(first);
  return { name: 'ranges', subject, ok, detail: `real ids to ${reached}, shadow ids from ${first}, next ${next}` };
}

async function realTableChecks(db: Db, table: TableModel, names: Names): Promise<Check[]> {
  const target = full(table);
  const column = table.columns.find(({ generated }) => generated === '')?.name;
  const faults: string[] = [];
  // none of these matches a row, so that nothing happens even where the account may do it
  const tries: Record<string, string> = { DELETE: `DELETE FROM ${target} WHERE false` };
  if (column !== undefined) {
    tries.INSERT = `INSERT INTO ${target} (${quote(column)}) OVERRIDING SYSTEM VALUE SELECT NULL WHERE false`;
    tries.UPDATE = `UPDATE ${target} SET ${quote(column)} = DEFAULT WHERE false`;
  }
  // these would happen: they are sent only where the server says beforehand that it will refuse
  for (const [right, verb, sql] of [
    ['TRUNCATE', 'TRUNCATE', `TRUNCATE TABLE ${target}`],
    ['INSERT', 'COPY', `COPY ${target} FROM STDIN`],
  ] as const) {
    const [row] = await db.query(`SELECT has_table_privilege($1::oid, $2)::text AS has`, [table.oid, right]);
    if (row?.has === 'true') faults.push(`${verb}: allowed`);
    else tries[verb] = sql;
  }
  // a right on some column, or one that ties real rows to others, is none that a statement above would use
  for (const right of ['INSERT', 'UPDATE', 'REFERENCES', 'TRIGGER'] as const) {
    const call = right === 'TRIGGER' ? 'has_table_privilege' : 'has_any_column_privilege';
    const [row] = await db.query(`SELECT ${call}($1::oid, $2)::text AS has`, [table.oid, right]);
    if (row?.has === 'true') faults.push(`${right}: allowed`);
  }
  for (const [verb, sql] of Object.entries(tries)) {
    const outcome = await attempt(db, sql);
    if (outcome !== denied && !faults.includes(`${verb}: allowed`))
      faults.push(`${verb}: ${outcome === '' ? 'allowed' : `error ${outcome}`}`);
  }
  const mayRead = names.mapping.classOf(table.schema, table.table) === 'real-read';
  const outcome = await attempt(db, `SELECT 1 FROM ${target} LIMIT 0`);
  return [
    {
      name: 'writes-real',
      subject: shown(table),
      ok: faults.length === 0,
      detail: faults.join(', ') || 'denied by the server',
    },
    {
      name: 'reads-real',
      subject: shown(table),
      ok: outcome === (mayRead ? '' : denied),
      detail: outcome === '' ? 'may read' : `error ${outcome}`,
    },
  ];
}

async function realSequenceCheck(db: Db, sequence: SequenceModel): Promise<Check> {
  const [row] = await db.query(
    `SELECT (has_sequence_privilege($1::oid, 'USAGE') OR has_sequence_privilege($1::oid, 'UPDATE'))::text AS has`,
    [sequence.oid],
  );
  const outcome =
    row?.has === 'true' ? '' : await attempt(db, `SELECT nextval('${full(sequence).replaceAll("'", "''")}')`);
  return {
    name: 'writes-real',
    subject: shown(sequence),
    ok: outcome === denied,
    detail: outcome === denied ? 'nextval is denied by the server' : `nextval: ${outcome || 'allowed'}`,
  };
}

/** EXECUTE beyond what PUBLIC has, and anything that goes past the access lists. */
async function executeCheck(db: Db): Promise<Check> {
  const [row] = await db.query(
    `SELECT (SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p, aclexplode(p.proacl) a WHERE a.grantee = r.oid AND a.privilege_type = 'EXECUTE') AS functions,
       (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)::text AS strong,
       (SELECT string_agg(g.rolname, ', ') FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid) AS roles
     FROM pg_roles r WHERE rolname = current_user`,
  );
  const faults = [
    row?.functions ? `may execute ${String(row.functions)}` : '',
    row?.strong === 'true' ? 'has attributes of an administrator' : '',
    row?.roles ? `is a member of ${String(row.roles)}` : '',
  ].filter(Boolean);
  return {
    name: 'execute',
    subject: 'account',
    ok: faults.length === 0,
    detail: faults.join(', ') || 'no EXECUTE of its own, no role, no attribute',
  };
}

/** SQLSTATE of the server's error; empty when the statement went through, `?` for other errors. */
async function attempt(db: Db, sql: string): Promise<string> {
  try {
    await db.query(sql);
    return '';
  } catch (error) {
    return sqlState(error) ?? '?';
  }
}
