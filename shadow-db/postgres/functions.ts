import type { SqlRefusalCode } from '../codes.js';

/**
 * Built-in functions whose result follows from their arguments alone (all forms of the name are IMMUTABLE in pg_proc), without
 * those that only serve operators, types and indexes. A test compares the list with a server.
 */
const immutable = `
  abbrev abs acos acosd acosh area array_agg array_append array_dims array_fill array_length array_lower
  array_ndims array_position array_positions array_prepend array_remove array_replace array_to_tsvector
  array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avg bit bit_and bit_count bit_length bit_or
  bit_xor bool bool_and bool_or bound_box box bpchar broadcast btrim cardinality cbrt ceil ceiling center char
  char_length character_length chr cidr circle corr cos cosd cosh cot cotd count covar_pop covar_samp cume_dist
  date_bin datemultirange daterange decode degrees dense_rank diagonal diameter div encode every exp factorial
  family first_value float4 float8 floor gcd generate_subscripts get_bit get_byte height host hostmask inet_merge
  inet_same_family initcap int2 int4 int4multirange int4range int8 int8multirange int8range interval is_normalized
  isclosed isempty isfinite ishorizontal isopen isparallel isperp isvertical json_array_elements
  json_array_elements_text json_array_length json_each json_each_text json_extract_path json_extract_path_text
  json_object json_object_keys json_strip_nulls json_typeof jsonb_array_elements jsonb_array_elements_text
  jsonb_array_length jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert
  jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query
  jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls
  jsonb_typeof justify_days justify_hours justify_interval lag last_value lcm lead left like line ln log log10
  lower lower_inc lower_inf lpad lseg ltrim macaddr macaddr8 macaddr8_set7bit make_date make_interval make_time
  make_timestamp masklen max md5 min min_scale mod mode multirange name netmask network normalize npoints
  nth_value ntile num_nonnulls num_nulls numeric_div_trunc nummultirange numnode numrange octet_length overlay
  parse_ident path pclose percent_rank percentile_cont percentile_disc pg_size_bytes pg_size_pretty
  pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin pg_visible_in_snapshot pi point polygon popen position pow
  power quote_ident radians radius range_agg range_intersect_agg range_merge rank regexp_count regexp_instr
  regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr
  regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace
  reverse right round row_number rpad rtrim scale set_bit set_byte set_masklen setweight sha224 sha256 sha384
  sha512 sign sin sind sinh slope split_part sqrt stddev stddev_pop stddev_samp string_agg string_to_array
  string_to_table strip strpos substr substring sum tan tand tanh text to_ascii to_hex translate trim_array
  trim_scale trunc ts_delete ts_filter ts_lexize ts_rank ts_rank_cd tsmultirange tsquery_phrase tsrange
  tstzmultirange tstzrange tsvector_to_array txid_snapshot_xip txid_snapshot_xmax txid_snapshot_xmin
  txid_visible_in_snapshot unistr unnest upper upper_inc upper_inf var_pop var_samp varbit varchar variance width
  width_bucket xml_is_well_formed_content xml_is_well_formed_document xmlagg xmlcomment xmlexists xmlvalidate
  xpath xpath_exists
`;

/**
 * Functions that read the clock, settings, the session or the catalog, or make random values: they touch no table and change nothing.
 * Those that print a query (`pg_get_functiondef`, `pg_get_viewdef`) are none of them: they lock its tables until the transaction ends.
 */
const harmless = `
  age array_to_json array_to_string clock_timestamp concat concat_ws convert convert_from convert_to current_database
  current_query current_schema current_schemas current_setting current_user date date_part date_trunc enum_first enum_last
  enum_range extract format format_type gen_random_uuid generate_series get_current_ts_config getdatabaseencoding
  inet_client_addr inet_client_port inet_server_addr inet_server_port json_agg json_build_array json_build_object
  json_object_agg json_populate_record json_populate_recordset json_to_record json_to_recordset json_to_tsvector jsonb_agg
  jsonb_build_array jsonb_build_object jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_array_tz
  jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record jsonb_populate_recordset jsonb_to_record
  jsonb_to_recordset jsonb_to_tsvector lastval length make_timestamptz money now numeric overlaps pg_backend_pid
  pg_client_encoding pg_collation_for pg_column_size pg_current_snapshot pg_current_xact_id pg_current_xact_id_if_assigned
  pg_encoding_to_char pg_get_constraintdef pg_get_expr pg_get_function_arguments pg_get_function_identity_arguments
  pg_get_function_result pg_get_indexdef pg_get_keywords pg_get_partkeydef pg_get_triggerdef
  pg_get_userbyid pg_is_in_recovery pg_my_temp_schema pg_postmaster_start_time pg_sleep pg_sleep_for pg_sleep_until
  pg_table_is_visible pg_timezone_names pg_trigger_depth pg_type_is_visible pg_typeof phraseto_tsquery plainto_tsquery
  like_escape similar_to_escape col_description obj_description shobj_description quote_literal quote_nullable random row_to_json session_user setseed
  statement_timestamp time timeofday timestamp timestamptz timetz timezone to_char to_date to_json to_jsonb to_number
  to_timestamp to_tsquery to_tsvector transaction_timestamp ts_headline txid_current txid_current_if_assigned
  txid_current_snapshot version websearch_to_tsquery xml xml_is_well_formed
`;

/** Of the lists above, what came after PostgreSQL 13, the oldest that is supported. */
const listedSince: Readonly<Record<number, string>> = {
  14: `
  bit_count bit_xor date_bin datemultirange extract int4multirange int8multirange multirange nummultirange range_agg
  range_intersect_agg string_to_table trim_array tsmultirange tstzmultirange unistr`,
  15: 'regexp_count regexp_instr regexp_like regexp_substr',
};

/**
 * Of PostgreSQL 16 to 18, by their documentation. `pg_input_is_valid` is none of them: it takes a type by its name in a string, and
 * the checks of a domain run functions. `json`, `json_value` and their like are of the grammar; before it had them they were calls.
 */
const newer: Readonly<Record<number, string>> = {
  16: `
  any_value array_sample array_shuffle date_add date_subtract erf erfc json_array json_arrayagg json_objectagg random_normal
  system_user`,
  17: 'json_scalar json_serialize merge_action to_bin to_oct uuid_extract_timestamp uuid_extract_version',
  18: 'array_reverse array_sort casefold crc32 crc32c gamma lgamma uuidv4 uuidv7',
};

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
const byVersion = (lists: Readonly<Record<number, string>>): [string, number][] =>
  Object.entries(lists).flatMap(([version, names]) => words(names).map((name): [string, number] => [name, +version]));

/** The oldest PostgreSQL that is supported: what a later one brought may be the service's own on it. */
export const oldestVersion = 13;

/** Function → the version that brought it. On a server before that only a function of the service's own can have the name. */
export const builtinFunctions: ReadonlyMap<string, number> = new Map([
  ...words(immutable + harmless).map((name) => [name, oldestVersion] as const),
  ...byVersion(listedSince),
  ...byVersion(newer),
]);
/** What a test can hold against the server: the immutable ones, and the rest. */
export const functionLists = { immutable: words(immutable), harmless: words(harmless) };

/** Nodes that are calls of functions to servers before this version: `json_value(a, '$')`. */
export const nodesSince: ReadonlyMap<string, number> = new Map([
  ['JsonObjectConstructor', 16],
  ['JsonArrayConstructor', 16],
  ['JsonArrayQueryConstructor', 16],
  ['JsonObjectAgg', 16],
  ['JsonArrayAgg', 16],
  ['JsonIsPredicate', 16],
  ['JsonFuncExpr', 17],
  ['JsonParseExpr', 17],
  ['JsonScalarExpr', 17],
  ['JsonSerializeExpr', 17],
  ['JsonTable', 17],
  ['MergeSupportFunc', 17],
]);

/** Types that came after the oldest version. */
export const typesSince: ReadonlyMap<string, number> = new Map(
  byVersion({ 14: 'datemultirange int4multirange int8multirange nummultirange tsmultirange tstzmultirange' }),
);

/** Symbols of built-in operators. One that is not here can only be the service's own, or an extension's. */
export const builtinOperators: ReadonlySet<string> = new Set(
  words(`
  !! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << <<= <<| <= <> <@ <^ = >
  >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~*
`),
);

/** Types whose values are plain data. Names of objects in the catalog (`regclass` and its like) are not. */
export const builtinTypes: ReadonlySet<string> = new Set(
  words(`
  bit bool box bpchar bytea char cid cidr circle date datemultirange daterange float4 float8 inet int2 int4 int4multirange
  int4range int8 int8multirange int8range interval json jsonb jsonpath line lseg macaddr macaddr8 money name numeric
  nummultirange numrange oid path pg_lsn pg_snapshot point polygon record refcursor regcollation regconfig regdictionary
  regnamespace regrole regtype text tid time timestamp timestamptz timetz tsmultirange tsquery tsrange tstzmultirange tstzrange
  tsvector txid_snapshot unknown uuid varbit varchar xid xid8 xml
`),
);

/** Why a function is refused; the families that have a reason of their own. */
export function functionRefusal(name: string): SqlRefusalCode {
  if (/^(?:next|curr|set)val$|^pg_get_serial_sequence$|^pg_sequence/.test(name)) return 'SQL_SEQUENCE';
  if (/^pg_(?:try_)?advisory/.test(name)) return 'SQL_LOCK_FUNCTION';
  if (/^pg_(?:read|ls|stat)_|^lo_|^lo(?:read|write)$|^pg_file/.test(name)) return 'SQL_FILE';
  if (name === 'set_config') return 'SQL_SET';
  if (name === 'pg_notify') return 'SQL_NOTIFY';
  if (/^(?:query|table|schema|database|cursor)_to_xml|^ts_(?:stat|rewrite)$|^dblink/.test(name)) return 'SQL_DYNAMIC';
  return 'SQL_FUNCTION';
}
