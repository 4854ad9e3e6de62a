import { type Db, ShadowDbError } from '../db.js';
import type { Desired } from './desired.js';
import { isOurs } from './mark.js';
import type { SchemaModel } from './model.js';
import type { Names } from './options.js';
import { full, literal, quote } from './quote.js';
import { fromJson, type Server } from './session.js';

/**
 * Looks up every right that the plan will need. Throws ShadowDbError RIGHTS with the statements that an administrator would have to run.
 */
export async function checkRights(
  db: Db,
  wanted: Desired,
  model: SchemaModel,
  names: Names,
  server: Server,
): Promise<void> {
  const who = quote(server.user);
  const checks: { has: string; remedy: string }[] = [];
  const need = (has: string, remedy: string): void => void checks.push({ has, remedy });
  for (const schema of names.shadowSchemas) {
    if (model.schemas.some(({ name }) => name === schema))
      need(
        `has_schema_privilege(${literal(schema)}, 'CREATE, USAGE')`,
        `GRANT CREATE, USAGE ON SCHEMA ${quote(schema)} TO ${who}`,
      );
    else
      need(
        `has_database_privilege(current_database(), 'CREATE')`,
        `GRANT CREATE ON DATABASE ${quote(server.database)} TO ${who}`,
      );
  }
  for (const { real, users } of wanted.sequences) {
    if (!real.readable) need('false', `GRANT SELECT ON SEQUENCE ${full(real)} TO ${who}`);
    for (const { table } of users)
      need(`has_table_privilege(${table.oid}::oid, 'SELECT')`, `GRANT SELECT ON TABLE ${full(table)} TO ${who}`);
  }
  for (const one of [...model.tables, ...model.views].filter((item) => isOurs(item, names))) {
    const owner = 'owner' in one ? one.owner : undefined;
    if (owner !== undefined)
      need(
        `pg_has_role((SELECT relowner FROM pg_class WHERE oid = ${one.oid}), 'USAGE')`,
        `GRANT ${quote(owner)} TO ${who}`,
      );
  }
  if (names.options.account !== undefined) {
    need(
      `(SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user)`,
      `ALTER ROLE ${who} CREATEROLE`,
    );
    for (const one of [...model.tables, ...model.views]) {
      if (isOurs(one, names) || names.mapping.classOf(one.schema, one.table) !== 'real-read') continue;
      need(
        `has_table_privilege(${one.oid}::oid, 'SELECT WITH GRANT OPTION')`,
        `GRANT SELECT ON TABLE ${full(one)} TO ${who} WITH GRANT OPTION`,
      );
    }
    for (const schema of names.realSchemas)
      need(
        `has_schema_privilege(${literal(schema)}, 'USAGE WITH GRANT OPTION')`,
        `GRANT USAGE ON SCHEMA ${quote(schema)} TO ${who} WITH GRANT OPTION`,
      );
  }
  if (checks.length === 0) return;
  const [row] = await db.query(`SELECT to_jsonb(ARRAY[${checks.map(({ has }) => has).join(', ')}]) AS j`);
  const answers = fromJson<(boolean | null)[]>(row?.j);
  const missing = new Set(checks.filter((_, index) => answers[index] !== true).map(({ remedy }) => remedy));
  if (missing.size > 0) {
    throw new ShadowDbError('RIGHTS', `${server.user} lacks rights in ${server.database}: ${[...missing].join('; ')};`);
  }
}
