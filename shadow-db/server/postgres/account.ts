import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { type Db, ShadowDbError } from '../db.js';
import type { Desired } from './desired.js';
import { isOurs } from './mark.js';
import type { SchemaModel } from './model.js';
import type { Names } from './options.js';
import { full, quote, sameTable } from './quote.js';
import { fromJson, type Server } from './session.js';
import type { Step } from './step.js';

/** What the role may do in this database, from the server's access lists. */
export interface RoleState {
  /** Attributes that a shadow account may not have. */
  attributes: string[];
  /** Roles that it is a member of. */
  memberOf: string[];
  /** Objects that it owns, in any database, and rights that it has in others. */
  elsewhere: number;
  grants: Grant[];
}

export interface Grant {
  kind: 'database' | 'schema' | 'table' | 'sequence' | 'other';
  schema: string;
  /** Empty for a schema; of a database it is all there is. */
  name: string;
  rights: string[];
  /** WITH GRANT OPTION. */
  mayGrant: boolean;
}

/** undefined: the role does not exist. */
export async function readRole(db: Db, user: string | undefined): Promise<RoleState | undefined> {
  if (user === undefined) return undefined;
  const [role] = await db.query(
    `SELECT jsonb_build_object('oid', r.oid::text,
       'attributes', array_remove(ARRAY[CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
         CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END], NULL),
       'memberOf', coalesce((SELECT jsonb_agg(g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid), '[]'),
       'elsewhere', (SELECT count(*) FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid
         AND (s.deptype = 'o' OR (s.dbid <> 0 AND s.dbid <> (SELECT oid FROM pg_database WHERE datname = current_database()))))) AS j
     FROM pg_roles r WHERE rolname = $1`,
    [user],
  );
  if (role === undefined) return undefined;
  const { oid, ...state } = fromJson<RoleState & { oid: string }>(role.j);
  const grants = await db.query(
    `SELECT jsonb_build_object('kind', kind, 'schema', schema, 'name', name, 'rights', jsonb_agg(privilege_type ORDER BY privilege_type), 'mayGrant', bool_or(is_grantable)) AS j FROM (
       SELECT 'schema' AS kind, nspname AS schema, '' AS name, a.* FROM pg_namespace, aclexplode(nspacl) a
       UNION ALL SELECT CASE WHEN relkind = 'S' THEN 'sequence' ELSE 'table' END, nspname, relname, a.* FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace, aclexplode(relacl) a
       UNION ALL SELECT 'other', nspname, relname || '.' || attname, a.* FROM pg_attribute t JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace, aclexplode(attacl) a
       UNION ALL SELECT 'other', nspname, proname, a.* FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace, aclexplode(proacl) a
       UNION ALL SELECT CASE WHEN datname = current_database() THEN 'database' ELSE 'other' END, '', datname, a.* FROM pg_database, aclexplode(datacl) a
       UNION ALL SELECT 'other', 'default', defaclobjtype::text, a.* FROM pg_default_acl, aclexplode(defaclacl) a
       UNION ALL SELECT 'other', nspname, typname, a.* FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace, aclexplode(typacl) a
     ) all_rights WHERE grantee = $1::oid GROUP BY kind, schema, name ORDER BY kind, schema, name`,
    [oid],
  );
  return { ...state, grants: grants.map((row) => fromJson<Grant>(row.j)) };
}

const rowRights = ['DELETE', 'INSERT', 'SELECT', 'UPDATE'];

export async function everybodyConnects(db: Db): Promise<boolean> {
  const [row] = await db.query("SELECT has_database_privilege('public', current_database(), 'CONNECT')::text AS may");
  return row?.may === 'true';
}

interface Sides {
  server: Server;
  model: SchemaModel;
  wanted: Desired;
  /** PUBLIC may connect to the database. */
  everybodyConnects: boolean;
}

/** What the account may do. */
export function wantedGrants({ wanted, model, server, everybodyConnects: isOpen }: Sides, names: Names): Grant[] {
  const grants = new Map<string, Grant>();
  const add = (kind: Grant['kind'], schema: string, name: string, rights: string[]): void => {
    if (kind !== 'schema') add('schema', schema, '', ['USAGE']);
    grants.set(JSON.stringify([kind, schema, name]), { kind, schema, name, rights, mayGrant: false });
  };
  if (!isOpen) {
    grants.set('', { kind: 'database', schema: '', name: server.database, rights: ['CONNECT'], mayGrant: false });
  }
  for (const { target } of wanted.tables) add('table', target.schema, target.table, rowRights);
  for (const { target } of wanted.views) add('table', target.schema, target.table, rowRights);
  for (const { target } of wanted.sequences) add('sequence', target.schema, target.table, ['USAGE']);
  for (const item of [...model.tables, ...model.views]) {
    if (isOurs(item, names) || names.mapping.classOf(item.schema, item.table) !== 'real-read') continue;
    add('table', item.schema, item.table, ['SELECT']);
  }
  return [...grants.values()];
}

/**
 * The right that speaks against a role being ours; undefined: it may be taken over, or dropped. All its rights must be of the kind that this module gives. One that
 * reads real tables and reaches no shadow is a report's, or an analyst's.
 */
export function foreignGrant(grants: readonly Grant[], names: Names): Grant | undefined {
  const foreign = grants.find((grant) => !isGiven(grant, names));
  if (foreign !== undefined) return foreign;
  const onTables = grants.filter(({ kind }) => kind === 'table');
  const reaches = onTables.some(({ schema, name }) => names.isShadow({ schema, table: name }));
  return reaches ? undefined : onTables[0];
}

/** A right of the kind that this module gives: more on a real object means that the account is somebody else's. */
function isGiven(grant: Grant, names: Names): boolean {
  if (grant.mayGrant) return false;
  if (grant.kind === 'database') return grant.rights.join() === 'CONNECT';
  const near = names.realSchemas.includes(grant.schema) || names.shadowSchemas.includes(grant.schema);
  if (grant.kind === 'schema') return near && grant.rights.join() === 'USAGE';
  if (grant.kind === 'other' || !near) return false;
  if (names.isShadow({ schema: grant.schema, table: grant.name })) {
    return grant.rights.every((right) => (grant.kind === 'sequence' ? ['USAGE'] : rowRights).includes(right));
  }
  return grant.kind === 'table' && grant.rights.join() === 'SELECT';
}

/** Throws ShadowDbError ACCOUNT_TAKEN for a role that can do more than shadow traffic may. */
export function checkRole(user: string, role: RoleState | undefined, names: Names): void {
  if (role === undefined) return;
  const taken = (what: string): never => {
    throw new ShadowDbError('ACCOUNT_TAKEN', `role ${user} ${what}`);
  };
  if (role.attributes.length > 0) taken(`has ${role.attributes.join(', ')}`);
  if (role.memberOf.length > 0) taken(`is a member of ${role.memberOf.join(', ')}`);
  if (role.elsewhere > 0) taken(`owns objects, or has rights in other databases (${role.elsewhere})`);
  const foreign = foreignGrant(role.grants, names);
  if (foreign) taken(`has ${foreign.rights.join(', ')} on ${foreign.kind} ${foreign.schema}.${foreign.name}`);
}

/** Creates the role, takes back what is too much, grants what is missing. `remade`: targets whose rights go with them. */
export function accountSteps(
  user: string,
  role: RoleState | undefined,
  wanted: Grant[],
  isRemade: (grant: Grant) => boolean,
): Step[] {
  const who = quote(user);
  const limits = 'LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {password}';
  const steps: Step[] = [
    role === undefined
      ? { kind: 'account', subject: user, sql: `CREATE ROLE ${who} ${limits}`, reason: 'the backstop: no rights yet' }
      : {
          kind: 'account',
          subject: user,
          sql: `ALTER ROLE ${who} PASSWORD {password}`,
          reason: 'the password is that of the configuration',
        },
  ];
  const has = (role?.grants ?? []).filter((grant) => !isRemade(grant));
  const isSame = (one: Grant, other: Grant): boolean =>
    one.kind === other.kind &&
    one.schema === other.schema &&
    one.name === other.name &&
    one.rights.join() === other.rights.join();
  for (const grant of has) {
    // an administrator may have given it, and it opens no table
    if (grant.kind === 'database' || wanted.some((one) => isSame(one, grant))) continue;
    const sql = `REVOKE ${grant.rights.join(', ')} ON ${objectOf(grant)} FROM ${who}`;
    steps.push({ kind: 'grant', subject: user, sql, reason: 'not, or no longer, of this form' });
  }
  for (const grant of wanted) {
    if (has.some((one) => isSame(one, grant))) continue;
    const sql = `GRANT ${grant.rights.join(', ')} ON ${objectOf(grant)} TO ${who}`;
    steps.push({
      kind: 'grant',
      subject: user,
      sql,
      reason: reasons[grant.kind === 'table' && grant.rights.length === 1 ? 'read' : grant.kind],
    });
  }
  return steps;
}

const reasons = {
  database: 'not everybody may connect to it',
  schema: 'names in it can be used; what may be done is granted one by one',
  table: 'shadow table: read and written',
  read: 'reference data: read only',
  sequence: 'shadow ids',
  other: '',
} as const;

export function objectOf({ kind, schema, name }: Grant): string {
  if (kind === 'database') return `DATABASE ${quote(name)}`;
  if (kind === 'schema') return `SCHEMA ${quote(schema)}`;
  return `${kind === 'sequence' ? 'SEQUENCE' : 'TABLE'} ${full({ schema, table: name })}`;
}

/** What everybody may do, the shadow account too: the backstop is no better than these. */
export async function publicWarnings(db: Db, names: Names): Promise<string[]> {
  const schemas = JSON.stringify([...new Set([...names.realSchemas, ...names.shadowSchemas])]);
  const rows = await db.query(
    `SELECT 'schema ' || quote_ident(nspname) AS what, 'CREATE' AS rights, format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', nspname) AS remedy
       FROM pg_namespace, aclexplode(nspacl) a WHERE a.grantee = 0 AND a.privilege_type = 'CREATE' AND nspname IN (SELECT jsonb_array_elements_text($1::jsonb))
     UNION ALL SELECT 'table ' || c.oid::regclass, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), format('REVOKE %s ON %s FROM PUBLIC', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), c.oid::regclass)
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
       WHERE a.grantee = 0 AND nspname NOT IN ('pg_catalog', 'information_schema') AND (a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER') OR (c.relkind = 'S' AND a.privilege_type = 'USAGE')) GROUP BY c.oid
     UNION ALL SELECT 'column ' || c.oid::regclass || '.' || quote_ident(t.attname), string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),
         format('REVOKE %s ON %s FROM PUBLIC', string_agg(format('%s (%I)', a.privilege_type, t.attname), ', ' ORDER BY a.privilege_type), c.oid::regclass)
       FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(t.attacl) a
       WHERE a.grantee = 0 AND nspname NOT IN ('pg_catalog', 'information_schema') AND a.privilege_type <> 'SELECT' GROUP BY c.oid, t.attname
     UNION ALL SELECT 'function ' || p.oid::regprocedure, 'EXECUTE, with the rights of ' || pg_get_userbyid(p.proowner), format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', p.oid::regprocedure)
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
       WHERE p.prosecdef AND nspname NOT IN ('pg_catalog', 'information_schema') AND p.prorettype <> 'trigger'::regtype
         AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'))
     ORDER BY 1`,
    [schemas],
  );
  return rows.map(
    ({ what, rights, remedy }) => `PUBLIC, and so the shadow account, has ${rights} on ${what}: ${remedy}`,
  );
}

/**
 * A password as the server keeps it (SCRAM-SHA-256, RFC 5803), so that its text appears neither in a statement nor in the server's log.
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16), iterations = 4096): string {
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`;
}

/** A grant on something that one of these tables, or its sequences, takes with it. */
export function grantOn(targets: readonly { schema: string; table: string }[]): (grant: Grant) => boolean {
  return ({ kind, schema, name }) =>
    kind !== 'schema' && kind !== 'database' && targets.some((target) => sameTable(target, { schema, table: name }));
}
