/**
 * Every reason for which a statement of shadow traffic is refused. The code is part of the contract: it stands in errors,
 * telemetry and reports. The text says what to do about it.
 */
export const sqlRefusals = {
  SQL_EMPTY: 'There is no statement in the text.',
  SQL_UNCLOSED: 'A string, a quoted name, a comment or a bracket is not closed.',
  SQL_CHARACTER: 'A character or number here has no meaning that all server versions agree on.',
  SQL_EXECUTABLE_COMMENT:
    'Executable comments depend on the server version. Send the statement without /*! */ and /*M! */.',
  SQL_MULTI_STATEMENT: 'Only one statement at a time can be redirected.',
  SQL_NOT_UNDERSTOOD: 'This part of the statement is not understood, so its tables are not certain.',
  SQL_TOO_DEEP: 'Brackets are nested too deeply to be checked.',
  SQL_MODE_AMBIGUOUS:
    'The meaning depends on a session setting (sql_mode, standard_conforming_strings). Pass it as context, or use parameters instead of literals.',
  SQL_ORACLE_MODE: 'In sql_mode ORACLE only transactions are understood. Use another sql_mode on shadow connections.',
  SQL_PLACEHOLDER:
    'A name that is put in later (?? or ::name) cannot be redirected. Format the statement first (mysql2: connection.format), then rewrite it.',
  SQL_UNCLASSED_TABLE: 'Class the table as shadow, real-read or refuse in the configuration.',
  SQL_REFUSED_TABLE: 'The configuration refuses this table to shadow traffic.',
  SQL_OTHER_SCHEMA: 'Tables of another schema must be classed as `schema.table`.',
  SQL_SHADOW_NAME: 'The statement names a shadow table or schema itself: was it rewritten twice?',
  SQL_REAL_WRITE: 'The table is classed real-read, so shadow traffic may not write to it.',
  SQL_REAL_LOCK:
    'The table is classed real-read, so shadow traffic may not lock its rows against real users. Class it shadow, with a seed, or read it in a statement of its own.',
  SQL_AMBIGUOUS: 'It is not certain which table is meant. Qualify the column, or use an alias.',
  SQL_NESTED_WITH: 'MariaDB resolves outer names inside a nested WITH to base tables. Put all WITH parts first.',
  SQL_FUNCTION: 'Only built-in functions are known not to touch tables; stored and loadable ones are refused.',
  SQL_LOCK_FUNCTION: 'Named locks are shared with real traffic.',
  SQL_SEQUENCE: 'Sequences are shared with real traffic.',
  SQL_SYSTEM_TIME: 'Temporal tables (FOR SYSTEM_TIME, FOR PORTION OF) have no shadow rule.',
  SQL_FILE: 'Reading and writing files of the server is refused.',
  SQL_DDL: 'Shadow traffic may not change the schema.',
  SQL_TRUNCATE: 'TRUNCATE commits implicitly and resets AUTO_INCREMENT. Allow it with `truncate: true`.',
  SQL_PROCEDURE: 'Stored procedures, DO and HANDLER reach tables that cannot be seen from here.',
  SQL_DYNAMIC: 'Text given to PREPARE or EXECUTE cannot be seen from here. Use prepared statements of the driver.',
  SQL_USE: 'USE would change the default schema of a pooled connection.',
  SQL_SET: 'This setting would change the server or the meaning of later statements.',
  SQL_ADMIN: 'Administrative statements are refused to shadow traffic.',
  SQL_COPY: 'COPY moves rows past the statement. Use INSERT and SELECT.',
  SQL_NOTIFY: 'Channels of LISTEN and NOTIFY are shared with real traffic.',
  SQL_TYPE:
    'Only built-in types are known to run no function of their own. Name this one in `types` if it is an enum or harmless.',
  SQL_NAME_IN_STRING: 'A table named inside a string cannot be redirected. Name it as an identifier.',
  SQL_CONSTRAINT: 'Constraints of shadow tables have names of their own. Use SET CONSTRAINTS ALL.',
  SQL_TOO_LONG: 'The statement is too long to be parsed in one piece. Send it in parts.',
  SQL_PARSER: 'The parser failed on an earlier statement and is being started again. Try again.',
  SQL_XA: 'Distributed transactions are shared with real traffic.',
} as const;

export type SqlRefusalCode = keyof typeof sqlRefusals;

/** Thrown inside the rewriter only; callers get it as a value. Not an Error, since a stack would cost more than the parse. */
export class Refusal {
  readonly code: SqlRefusalCode;
  readonly detail: string;
  /** Position in the SQL text, in UTF-16 units. */
  readonly offset: number;

  constructor(code: SqlRefusalCode, detail: string, offset: number) {
    this.code = code;
    this.detail = detail;
    this.offset = offset;
  }
}
