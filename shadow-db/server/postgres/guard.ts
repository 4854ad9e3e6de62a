import { parse } from 'libpg-query';
import type { TableName } from '../../mapping.js';
import { ShadowDbError } from '../db.js';
import type { Names } from './options.js';
import { rowsTable } from './rows.js';

type Node = Record<string, unknown>;

interface RangeVar {
  schemaname?: string;
  relname?: string;
}

/**
 * The last gate before a statement of provisioning or clean-up is sent: the server's own parser reads it, and ShadowDbError NOT_SHADOW is
 * thrown unless it has one of the known forms and everything that it changes carries a shadow name in full. Real tables cannot be
 * changed through here.
 */
export async function guardShadowOnly(sql: string, names: Names): Promise<void> {
  const refuse = (reason: string): never => {
    throw new ShadowDbError('NOT_SHADOW', `${reason}: ${sql.slice(0, 80)}`);
  };
  const { stmts = [] } = (await parse(sql).catch(() => refuse('not understood'))) as { stmts?: { stmt: Node }[] };
  if (stmts.length !== 1) refuse('not one statement');
  const [kind = '', body = {}] = Object.entries(stmts[0]?.stmt ?? {})[0] ?? [];
  const form = forms[kind];
  if (form === undefined) return refuse('not a known form');
  const targets = form(body as Node, names);
  if (targets === undefined || targets.length === 0) return refuse('not a known form');
  for (const target of targets) {
    if (!isShadow(target, names)) refuse(`${target.schema || '(no schema)'}.${target.table} is no shadow`);
  }
}

function isShadow(name: TableName, names: Names): boolean {
  if (name.schema === names.home && name.table === rowsTable) return true;
  if (names.options.mode === 'schema')
    return names.shadowSchemas.includes(name.schema) && !names.realSchemas.includes(name.schema);
  return names.shadowSchemas.includes(name.schema) && names.isShadow(name);
}

/** Our own functions are named after a table, and are none of the traffic's. */
function isNote(name: TableName, names: Names): boolean {
  return names.shadowSchemas.includes(name.schema) && /^shadowline_.*_note$/s.test(name.table);
}

/** What a statement changes; undefined when it may not be sent at all. */
const forms: Record<string, (node: Node, names: Names) => TableName[] | undefined> = {
  CreateStmt: (node) =>
    node.inhRelations === undefined && node.ofTypename === undefined && !holdsForeignKey(node)
      ? [relation(node.relation)]
      : undefined,
  CreateSeqStmt: (node) =>
    node.options === undefined || !JSON.stringify(node.options).includes('"owned_by"')
      ? [relation(node.sequence)]
      : undefined,
  AlterSeqStmt: (node) => [relation(node.sequence), ...owners(node.options)],
  IndexStmt: (node) => [relation(node.relation)],
  CreateStatsStmt: (node) => (node.relations as Node[]).map((one) => relation(one.RangeVar)),
  AlterTableStmt: (node) => alterations(node),
  CreateTrigStmt: (node) => [relation(node.relation)],
  ViewStmt: (node) => (node.replace === undefined ? [relation(node.view)] : undefined),
  TruncateStmt: (node) =>
    node.behavior === 'DROP_CASCADE' ? undefined : (node.relations as Node[]).map((one) => relation(one.RangeVar)),
  DeleteStmt: (node) => deletions(node),
  CreateFunctionStmt: (node, names) => {
    const name = qualified(node.funcname);
    return name && isNote(name, names) ? [{ schema: names.home, table: rowsTable }] : undefined;
  },
  CreateSchemaStmt: (node, names) => {
    const schema = String(node.schemaname);
    return names.options.mode === 'schema' && names.shadowSchemas.includes(schema)
      ? [{ schema: names.home, table: rowsTable }]
      : undefined;
  },
  CommentStmt: (node, names) => commented(node, names),
  DropStmt: (node, names) => dropped(node, names),
  GrantStmt: (node, names) => granted(node, names),
  CreateRoleStmt: (node, names) =>
    node.role === names.options.account?.user ? [{ schema: names.home, table: rowsTable }] : undefined,
  AlterRoleStmt: (node, names) =>
    roleName(node.role) === names.options.account?.user ? [{ schema: names.home, table: rowsTable }] : undefined,
  DropRoleStmt: (node, names) =>
    (node.roles as Node[]).every((role) => roleName(role.RoleSpec) === names.options.account?.user)
      ? [{ schema: names.home, table: rowsTable }]
      : undefined,
};

function relation(value: unknown): TableName {
  const { schemaname = '', relname = '' } = (value ?? {}) as RangeVar;
  return { schema: schemaname, table: relname };
}

function roleName(value: unknown): string | undefined {
  const name = (value as Node | undefined)?.rolename;
  return typeof name === 'string' ? name : undefined;
}

function holdsForeignKey(node: Node): boolean {
  return JSON.stringify(node.tableElts ?? []).includes('"CONSTR_FOREIGN"');
}

/** A list of two strings: schema and name. */
function qualified(value: unknown): TableName | undefined {
  const inner = (value as Node | undefined)?.List ? ((value as Node).List as Node).items : value;
  const parts = (inner as { String?: { sval: string } }[] | undefined)?.map((part) => part.String?.sval ?? '') ?? [];
  return parts.length === 2 ? { schema: parts[0] as string, table: parts[1] as string } : undefined;
}

function owners(options: unknown): TableName[] {
  return ((options ?? []) as { DefElem: { defname: string; arg?: unknown } }[])
    .filter(({ DefElem }) => DefElem.defname === 'owned_by')
    .map(({ DefElem }) => {
      const items = ((DefElem.arg as Node).List as Node).items as { String: { sval: string } }[];
      return { schema: items[0]?.String.sval ?? '', table: items[1]?.String.sval ?? '' };
    });
}

const alterable = new Set([
  'AT_AddConstraint',
  'AT_DropConstraint',
  'AT_AttachPartition',
  'AT_SetStorage',
  'AT_SetRelOptions',
  'AT_EnableReplicaTrig',
  'AT_EnableAlwaysTrig',
  'AT_DisableTrig',
]);

function alterations(node: Node): TableName[] | undefined {
  const targets = [relation(node.relation)];
  for (const { AlterTableCmd: command } of node.cmds as { AlterTableCmd: Node }[]) {
    if (!alterable.has(String(command.subtype)) || command.behavior === 'DROP_CASCADE') return undefined;
    const definition = (command.def ?? {}) as { Constraint?: { pktable?: unknown }; PartitionCmd?: { name?: unknown } };
    if (definition.Constraint?.pktable !== undefined) targets.push(relation(definition.Constraint.pktable));
    if (definition.PartitionCmd?.name !== undefined) targets.push(relation(definition.PartitionCmd.name));
  }
  return targets;
}

/** DELETE, with more of them in its WITH part: keys in a cycle are checked after all of them. */
function deletions(node: Node): TableName[] | undefined {
  const targets = [relation(node.relation)];
  const parts = ((node.withClause as Node | undefined)?.ctes ?? []) as {
    CommonTableExpr: { ctequery: { DeleteStmt?: Node } };
  }[];
  for (const { CommonTableExpr } of parts) {
    const inner = CommonTableExpr.ctequery.DeleteStmt;
    const more = inner && deletions(inner);
    if (more === undefined) return undefined;
    targets.push(...more);
  }
  return targets;
}

function commented(node: Node, names: Names): TableName[] | undefined {
  const object = node.object as Node;
  const own = [{ schema: names.home, table: rowsTable }];
  if (node.objtype === 'OBJECT_SCHEMA') {
    const schema = (object.String as { sval?: string } | undefined)?.sval ?? '';
    return names.options.mode === 'schema' && names.shadowSchemas.includes(schema) ? own : undefined;
  }
  if (node.objtype === 'OBJECT_FUNCTION') {
    const name = qualified((object.ObjectWithArgs as Node | undefined)?.objname);
    return name && isNote(name, names) ? own : undefined;
  }
  const name = qualified(object);
  return name && ['OBJECT_TABLE', 'OBJECT_SEQUENCE', 'OBJECT_VIEW'].includes(String(node.objtype)) ? [name] : undefined;
}

function dropped(node: Node, names: Names): TableName[] | undefined {
  if (node.behavior === 'DROP_CASCADE') return undefined;
  const own = { schema: names.home, table: rowsTable };
  const targets: TableName[] = [];
  for (const object of node.objects as Node[]) {
    if (node.removeType === 'OBJECT_SCHEMA') {
      const schema = (object.String as { sval?: string } | undefined)?.sval ?? '';
      if (names.options.mode !== 'schema' || !names.shadowSchemas.includes(schema)) return undefined;
      targets.push(own);
    } else if (node.removeType === 'OBJECT_FUNCTION') {
      const name = qualified((object.ObjectWithArgs as Node | undefined)?.objname);
      if (name === undefined || !isNote(name, names)) return undefined;
      targets.push(own);
    } else if (node.removeType === 'OBJECT_TRIGGER') {
      const items = ((object.List as Node).items as { String: { sval: string } }[]).map((part) => part.String.sval);
      targets.push(
        items.length === 3 ? { schema: items[0] as string, table: items[1] as string } : { schema: '', table: '' },
      );
    } else {
      const name = qualified(object);
      if (name === undefined) return undefined;
      targets.push(name);
    }
  }
  return targets;
}

/** Rights to the shadow account alone: reading real tables, and using schemas, are all that it may get beyond the shadow side. */
function granted(node: Node, names: Names): TableName[] | undefined {
  const own = [{ schema: names.home, table: rowsTable }];
  const grantees = (node.grantees as { RoleSpec: Node }[]).map(({ RoleSpec }) => RoleSpec);
  const objects = node.objects as Node[];
  if (node.objtype === 'OBJECT_FUNCTION') {
    const name = qualified((objects[0]?.ObjectWithArgs as Node | undefined)?.objname);
    return node.is_grant !== true && name && isNote(name, names) ? own : undefined;
  }
  if (grantees.some((role) => roleName(role) !== names.options.account?.user) || node.grant_option === true)
    return undefined;
  if (node.targtype !== 'ACL_TARGET_OBJECT') return undefined;
  if (node.is_grant !== true) return own;
  const rights = ((node.privileges ?? []) as { AccessPriv: { priv_name?: string } }[]).map(
    ({ AccessPriv }) => AccessPriv.priv_name,
  );
  if (node.objtype === 'OBJECT_SCHEMA') return rights.join() === 'usage' ? own : undefined;
  if (node.objtype === 'OBJECT_DATABASE') return rights.join() === 'connect' ? own : undefined;
  if (node.objtype === 'OBJECT_TABLE' && rights.join() === 'select') return own;
  return objects.map((one) => relation(one.RangeVar));
}
