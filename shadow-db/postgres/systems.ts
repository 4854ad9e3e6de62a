/**
 * Relations of pg_catalog that describe the schema and the server: drivers and ORMs read them. None holds rows or samples of tables, or
 * passwords. Those that hold queries are left out (`pg_views`, `pg_matviews`, `pg_rules`, `pg_policies`, and `pg_rewrite` and
 * `pg_policy` with `pg_get_expr`): to print a query the server locks its tables, and keeps them until the transaction ends.
 */
const readable: ReadonlySet<string> = new Set(
  `pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_available_extensions pg_cast pg_class
  pg_collation pg_constraint pg_conversion pg_database pg_depend pg_description pg_enum pg_event_trigger pg_extension
  pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_group pg_index pg_indexes pg_inherits pg_init_privs
  pg_language pg_namespace pg_opclass pg_operator pg_opfamily pg_partitioned_table
  pg_proc pg_publication pg_publication_tables pg_range pg_roles pg_sequence pg_settings pg_shdepend
  pg_shdescription pg_statistic_ext pg_tables pg_tablespace pg_timezone_abbrevs pg_timezone_names pg_trigger pg_ts_config
  pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_user`.split(/\s+/),
);

/** Of information_schema: a query, which is printed as above, and passwords of other servers. */
const refusedViews: ReadonlySet<string> = new Set(['views', 'user_mapping_options', '_pg_user_mappings']);

/**
 * `readable`: a harmless read of the catalog. `refused`: a system relation that is not. `none`: no system relation. A plain name
 * that begins with `pg_` belongs to the system, unless the search path lists pg_catalog after another schema: then it may be either.
 */
export function systemRelation(
  schema: string | undefined,
  table: string,
  catalogFirst: boolean,
): 'readable' | 'refused' | 'none' {
  if (schema === 'information_schema') return refusedViews.has(table) ? 'refused' : 'readable';
  if (schema === 'pg_catalog' || (schema === undefined && table.startsWith('pg_'))) {
    return readable.has(table) && (schema !== undefined || catalogFirst) ? 'readable' : 'refused';
  }
  return schema?.startsWith('pg_') === true ? 'refused' : 'none';
}
