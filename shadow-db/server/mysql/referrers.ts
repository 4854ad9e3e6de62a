import { type Db, ShadowDbError, textOf } from '../db.js';
import { busySec, impatient } from './inspect.js';
import type { Names } from './options.js';
import { hasRight, ownGrants } from './rights.js';
import { readServer } from './server.js';

/** A foreign key that leads to a table; names as the server has them. */
interface Referrer {
  child: string;
  key: string;
  parent: string;
}

/**
 * Foreign keys of tables that are not ours lead on from what is removed here, into any database. Throws ShadowDbError REAL_KEY for one, and RIGHTS where this
 * account could not see it, unless `mayBeBlind` (the server itself will refuse): information_schema leaves out, in silence, the keys of tables on which an account has no right.
 */
export async function refuseReferrers(
  db: Db,
  names: Names,
  tables: readonly { shadow: string }[],
  { mayBeBlind = false } = {},
): Promise<void> {
  for (const schema of new Set(names.databases.map((database) => names.shadowSchema(database)))) {
    for (const { child, key, parent } of await referrersOf(db, schema, names, mayBeBlind)) {
      if (tables.some(({ shadow }) => shadow === child)) continue;
      // a letter outside of ASCII that InnoDB spells in its own way: what could be a shadow table counts as one
      const mayBe = /@/.test(parent) && names.mapping.isShadowName(schema, parent.slice(schema.length + 1));
      if (!mayBe && !tables.some(({ shadow }) => shadow === parent)) continue;
      throw new ShadowDbError('REAL_KEY', `foreign key ${key} of ${child} refers to the shadow table ${parent}`);
    }
  }
}

async function referrersOf(db: Db, schema: string, names: Names, mayBeBlind: boolean): Promise<Referrer[]> {
  const facts = await readServer(db);
  const hidden = await fromInnodb(db, schema);
  // InnoDB is asked for all there is, and waits for no table; but it spells letters beyond ASCII, and on some servers capitals, in its own way
  const isPlain = !facts.ignoreCase && /^[\0-\x7f]*$/.test(schema);
  if (isPlain && hidden?.every(({ child, parent }) => !`${child}${parent}`.includes('@'))) return hidden;
  const startMs = performance.now();
  const seen = await impatient(
    db,
    `SELECT CONSTRAINT_SCHEMA AS s, TABLE_NAME AS t, CONSTRAINT_NAME AS k, REFERENCED_TABLE_NAME AS p
     FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA = ?`,
    'the server',
    facts,
    [schema],
  );
  // the keys of a table that is waited for are left out in silence when the wait is over
  if (performance.now() - startMs >= busySec * 900)
    throw new ShadowDbError('REAL_BUSY', `foreign keys that lead to ${schema} could not be read within ${busySec} s`);
  const found = seen.map(({ s, t, k, p }) => ({
    child: `${textOf(s)}.${textOf(t)}`,
    key: textOf(k),
    parent: `${schema}.${textOf(p)}`,
  }));
  const { who, grants } = await ownGrants(db);
  const seesAll = grants.filter((grant) => grant.schema === '*');
  if (hasRight(seesAll, 'SELECT', schema)) return found;
  if (hidden === undefined && mayBeBlind) return found;
  if (hidden === undefined) {
    throw new ShadowDbError(
      'RIGHTS',
      `this account cannot see foreign keys of other databases, along which rows would go: GRANT PROCESS ON *.* TO ${who};`,
    );
  }
  // those within the schemas that the options name are not hidden
  const isNear = (child: string): boolean =>
    [...names.databases, ...names.mapping.shadowSchemaNames].some((near) => child.startsWith(`${near}.`));
  return [...found, ...hidden.filter(({ child }) => !isNear(child))];
}

/** Of every database, whoever asks; undefined without the right PROCESS. */
async function fromInnodb(db: Db, schema: string): Promise<Referrer[] | undefined> {
  for (const table of ['INNODB_SYS_FOREIGN', 'INNODB_FOREIGN']) {
    try {
      const rows = await db.query(
        `SELECT ID AS k, FOR_NAME AS child, REF_NAME AS parent FROM information_schema.${table}`,
      );
      return rows
        .map(({ k, child, parent }) => ({
          child: innodbPlace(child),
          key: textOf(k).replace(/^.*\//, ''),
          parent: innodbPlace(parent),
        }))
        .filter(({ parent }) => parent.startsWith(`${schema}.`));
    } catch (error) {
      // MySQL calls it otherwise; 1109: unknown table in information_schema
      if ((error as { errno?: unknown }).errno === 1109) continue;
      if ((error as { errno?: unknown }).errno === 1227) return undefined;
      throw error;
    }
  }
  return undefined;
}

/** `schema.table` of a name as InnoDB keeps it: `a@002db/t`. */
export function innodbPlace(value: unknown): string {
  return textOf(value)
    .replaceAll(/@([0-9a-f]{4})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
    .replace('/', '.');
}
