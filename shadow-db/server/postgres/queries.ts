/**
 * Reads of pg_catalog. Each gives one column `j` of type jsonb; $1 is a JSON list of schema names. They are sent with an empty
 * search_path, so that the server prints every name outside of pg_catalog with its schema.
 */

const asked = 'IN (SELECT jsonb_array_elements_text($1::jsonb))';

/** Functions outside of pg_catalog on which something depends (the server keeps no dependency on its own ones). */
const functionsOf = (catalog: string, object: string): string => `coalesce((
  SELECT jsonb_agg(DISTINCT jsonb_build_object('name', fp.oid::regprocedure::text, 'language', fl.lanname, 'volatility', fp.provolatile, 'definer', fp.prosecdef))
  FROM pg_depend fd JOIN pg_proc fp ON fp.oid = fd.refobjid JOIN pg_language fl ON fl.oid = fp.prolang
  WHERE fd.classid = '${catalog}'::regclass AND fd.objid = ${object} AND fd.refclassid = 'pg_proc'::regclass), '[]')`;

const columnNames = (numbers: string, table: string): string => `(
  SELECT coalesce(jsonb_agg(ca.attname ORDER BY cx.place), '[]') FROM unnest(${numbers}) WITH ORDINALITY AS cx(number, place)
  JOIN pg_attribute ca ON ca.attrelid = ${table} AND ca.attnum = cx.number)`;

const names = (relation: string): string =>
  `(SELECT jsonb_build_object('schema', xn.nspname, 'table', xc.relname) FROM pg_class xc JOIN pg_namespace xn ON xn.oid = xc.relnamespace WHERE xc.oid = ${relation})`;

export const schemas = `SELECT jsonb_build_object('name', nspname, 'comment', coalesce(obj_description(oid, 'pg_namespace'), '')) AS j
  FROM pg_namespace WHERE nspname ${asked} ORDER BY nspname`;

export const tables = `SELECT jsonb_build_object('oid', c.oid::text, 'schema', n.nspname, 'table', c.relname, 'kind', c.relkind,
    'owner', pg_get_userbyid(c.relowner), 'unlogged', c.relpersistence = 'u', 'comment', coalesce(obj_description(c.oid, 'pg_class'), ''),
    'options', coalesce(to_jsonb(c.reloptions), '[]'), 'accessMethod', nullif(m.amname, 'heap'), 'rowSecurity', c.relrowsecurity,
    'policies', coalesce((SELECT jsonb_agg(p.polname ORDER BY p.polname) FROM pg_policy p WHERE p.polrelid = c.oid), '[]'),
    'rules', coalesce((SELECT jsonb_agg(r.rulename ORDER BY r.rulename) FROM pg_rewrite r WHERE r.ev_class = c.oid), '[]'),
    'partitionOf', CASE WHEN c.relispartition THEN (SELECT ${names('i.inhparent')} FROM pg_inherits i WHERE i.inhrelid = c.oid) END,
    'bound', CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
    'partitionKey', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
    'inherits', CASE WHEN c.relispartition THEN '[]' ELSE coalesce((SELECT jsonb_agg(${names('i.inhparent')}) FROM pg_inherits i WHERE i.inhrelid = c.oid), '[]') END,
    'partitionCount', CASE WHEN c.relkind = 'p' THEN (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = c.oid) ELSE 0 END,
    'hasHeirs', c.relkind <> 'p' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid),
    'heirs', coalesce((SELECT jsonb_agg(${names('i.inhrelid')}) FROM pg_inherits i WHERE i.inhparent = c.oid), '[]'),
    'referrers', coalesce((SELECT jsonb_agg(${names('k.conrelid')} || jsonb_build_object('key', k.conname)) FROM pg_constraint k
      WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0), '[]')) AS j
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am m ON m.oid = c.relam
  WHERE n.nspname ${asked} AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' ORDER BY n.nspname, c.relname`;

export const columns = (
  version: number,
): string => `SELECT jsonb_build_object('table', a.attrelid::text, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
    'notNull', a.attnotnull, 'expression', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated, 'identity', a.attidentity,
    'collation', CASE WHEN a.attcollation <> t.typcollation THEN (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co
      JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END,
    'storage', CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END,
    'compression', ${version >= 140_000 ? "nullif(a.attcompression, '')" : 'NULL'},
    'functions', CASE WHEN d.oid IS NULL THEN '[]' ELSE ${functionsOf('pg_attrdef', 'd.oid')} END,
    'sequences', CASE WHEN d.oid IS NULL THEN '[]' ELSE coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_object('schema', sn.nspname, 'table', s.relname,
        'text', quote_literal(s.oid::regclass::text) || '::regclass'))
      FROM pg_depend dd JOIN pg_class s ON s.oid = dd.refobjid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
      WHERE dd.classid = 'pg_attrdef'::regclass AND dd.objid = d.oid AND dd.refclassid = 'pg_class'::regclass), '[]') END) AS j
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE n.nspname ${asked} AND c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`;

/** A constraint that is not valid for old rows is one for all rows of a table without any. */
export const constraints = `SELECT jsonb_build_object('table', k.conrelid::text, 'name', k.conname, 'kind', k.contype,
    'definition', regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''), 'columns', ${columnNames('k.conkey', 'k.conrelid')},
    'inherited', k.coninhcount > 0, 'functions', ${functionsOf('pg_constraint', 'k.oid')},
    'options', coalesce((SELECT to_jsonb(ic.reloptions) FROM pg_class ic WHERE ic.oid = k.conindid), '[]')) AS j
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname ${asked} AND k.contype IN ('c', 'p', 'u', 'x') ORDER BY k.conrelid, k.conname`;

const actions = (column: string): string =>
  `CASE ${column} WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' END`;

/** Keys of partitions that come from the partitioned table have a parent themselves, and are left out. */
export const foreignKeys = (
  version: number,
): string => `SELECT jsonb_build_object('table', k.conrelid::text, 'name', k.conname,
    'columns', ${columnNames('k.conkey', 'k.conrelid')}, 'parent', ${names('k.confrelid')}, 'parentColumns', ${columnNames('k.confkey', 'k.confrelid')},
    'rules', concat(CASE k.confmatchtype WHEN 'f' THEN ' MATCH FULL' END, ' ON UPDATE ' || ${actions('k.confupdtype')}, ' ON DELETE ' || ${actions('k.confdeltype')},
      ${version >= 150_000 ? `(SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY s.n) || ')' FROM unnest(k.confdelsetcols) WITH ORDINALITY AS s(attnum, n) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = s.attnum),` : ''}
      CASE WHEN k.condeferrable THEN ' DEFERRABLE' END, CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' END)) AS j
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname ${asked} AND k.contype = 'f' AND k.conparentid = 0 ORDER BY k.conrelid, k.conname`;

/** Without those of constraints, and without what a failed CREATE INDEX CONCURRENTLY has left. */
export const indexes = `SELECT jsonb_build_object('table', i.indrelid::text, 'name', ic.relname, 'unique', i.indisunique,
    'definition', substr(pg_get_indexdef(i.indexrelid), length(format('CREATE %sINDEX %I ON %s%I.%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, ic.relname,
      CASE WHEN c.relkind = 'p' THEN 'ONLY ' END, n.nspname, c.relname)) + 1),
    'functions', ${functionsOf('pg_class', 'i.indexrelid')}) AS j
  FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname ${asked} AND c.relkind IN ('r', 'p') AND (i.indisvalid OR c.relkind = 'p')
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
  ORDER BY i.indrelid, ic.relname`;

/** The printed definition is cut at the table's name and at the function's, which are both known. */
export const triggers = `SELECT jsonb_build_object('table', t.tgrelid::text, 'name', t.tgname, 'enabled', t.tgenabled, 'constraint', t.tgconstraint <> 0,
    'events', split_part(substr(d.text, length(format('CREATE %sTRIGGER %I ', CASE WHEN t.tgconstraint <> 0 THEN 'CONSTRAINT ' END, t.tgname)) + 1), format(' ON %I.%I ', n.nspname, c.relname), 1),
    'scope', split_part(split_part(d.text, format(' ON %I.%I ', n.nspname, c.relname), 2), format(' EXECUTE FUNCTION %s(', f.text), 1),
    'arguments', rtrim(split_part(d.text, format(' EXECUTE FUNCTION %s(', f.text), 2), ')'),
    'function', jsonb_build_object('schema', fn.nspname, 'name', p.oid::regprocedure::text, 'text', f.text, 'language', l.lanname,
      'volatility', p.provolatile, 'definer', p.prosecdef, 'body', p.prosrc)) AS j
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace fn ON fn.oid = p.pronamespace
    CROSS JOIN LATERAL (SELECT pg_get_triggerdef(t.oid) AS text) d
    CROSS JOIN LATERAL (SELECT CASE WHEN fn.nspname = 'pg_catalog' THEN quote_ident(p.proname) ELSE format('%I.%I', fn.nspname, p.proname) END AS text) f
  WHERE n.nspname ${asked} AND NOT t.tgisinternal AND t.tgparentid = 0 AND c.relkind IN ('r', 'p') ORDER BY t.tgrelid, t.tgname`;

export const statistics = `SELECT jsonb_build_object('table', s.stxrelid::text, 'schema', sn.nspname, 'name', s.stxname,
    'definition', btrim(left(x.rest, length(x.rest) - length(format(' FROM %I.%I', n.nspname, c.relname))))) AS j
  FROM pg_statistic_ext s JOIN pg_namespace sn ON sn.oid = s.stxnamespace JOIN pg_class c ON c.oid = s.stxrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT substr(pg_get_statisticsobjdef(s.oid), length(format('CREATE STATISTICS %I.%I ', sn.nspname, s.stxname)) + 1) AS rest) x
  WHERE n.nspname ${asked} ORDER BY s.stxrelid, s.stxname`;

export const views = `SELECT jsonb_build_object('oid', c.oid::text, 'schema', n.nspname, 'table', c.relname, 'kind', c.relkind,
    'comment', coalesce(obj_description(c.oid, 'pg_class'), ''), 'options', coalesce(to_jsonb(c.reloptions), '[]'),
    'definition', rtrim(pg_get_viewdef(c.oid), E'; \\n'),
    'columns', (SELECT jsonb_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
    'reads', coalesce((SELECT jsonb_agg(DISTINCT ${names('d.refobjid')}) FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
      WHERE r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid), '[]'),
    'functions', coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_object('name', p.oid::regprocedure::text, 'language', l.lanname, 'volatility', p.provolatile, 'definer', p.prosecdef))
      FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass
        JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_language l ON l.oid = p.prolang WHERE r.ev_class = c.oid), '[]')) AS j
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname ${asked} AND c.relkind IN ('v', 'm') ORDER BY n.nspname, c.relname`;

export const sequences = `SELECT jsonb_build_object('oid', c.oid::text, 'schema', n.nspname, 'table', c.relname, 'comment', coalesce(obj_description(c.oid, 'pg_class'), ''),
    'type', format_type(s.seqtypid, NULL), 'start', s.seqstart::text, 'increment', s.seqincrement::text, 'min', s.seqmin::text, 'max', s.seqmax::text,
    'cache', s.seqcache::text, 'cycle', s.seqcycle, 'readable', r.ok, 'storage', c.oid::text || '/' || pg_relation_filenode(c.oid),
    'last', CASE WHEN r.ok THEN pg_sequence_last_value(c.oid)::text END,
    'owner', (SELECT jsonb_build_object('schema', tn.nspname, 'table', t.relname, 'column', a.attname, 'kind', d.deptype)
      FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))) AS j
  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT, USAGE') AS ok) r
  WHERE n.nspname ${asked} ORDER BY n.nspname, c.relname`;

export const taken = `SELECT jsonb_build_object('schema', n.nspname, 'table', c.relname) AS j
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname ${asked}`;

export const functions = `SELECT jsonb_build_object('schema', n.nspname, 'name', p.proname, 'body', p.prosrc) AS j
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname ${asked} AND obj_description(p.oid, 'pg_proc') = 'shadowline'`;
