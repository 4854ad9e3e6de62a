import type { SqlRefusalCode } from '../codes.js';
import type { Mapping } from '../mapping.js';
import { quoteName } from '../names.js';
import type { TableRef } from '../rewriter.js';

/** What the configuration says of one table name, ready to be spliced. Shared by all statements that name the table. */
export interface Place {
  kind: 'shadow' | 'real-read' | 'system' | 'refused';
  ref: TableRef;
  /** Why the table is refused. */
  code: SqlRefusalCode | undefined;
  /** Quoted: the shadow table, its schema, and the real schema. */
  target: string;
  targetSchema: string;
  realSchema: string;
  /** ` AS `, with the real name as written. */
  alias: string;
}

/**
 * Tables of information_schema that tell of the schema or of the own session. Others show what real traffic sends (PROCESSLIST, INNODB_TRX) or what
 * its rows hold (COLUMN_STATISTICS, INNODB_FT_INDEX_TABLE): what is not named here is refused.
 */
const ofTheSchema = new Set(
  `APPLICABLE_ROLES CHARACTER_SETS CHECK_CONSTRAINTS COLLATIONS COLLATION_CHARACTER_SET_APPLICABILITY COLUMNS
   COLUMNS_EXTENSIONS COLUMN_PRIVILEGES ENABLED_ROLES ENGINES EVENTS GEOMETRY_COLUMNS GLOBAL_STATUS GLOBAL_VARIABLES
   KEY_COLUMN_USAGE KEYWORDS OPTIMIZER_TRACE PARAMETERS PARTITIONS PLUGINS PROFILING REFERENTIAL_CONSTRAINTS ROUTINES SCHEMATA
   SCHEMATA_EXTENSIONS SCHEMA_PRIVILEGES SEQUENCES SESSION_STATUS SESSION_VARIABLES SPATIAL_REF_SYS SQL_FUNCTIONS STATISTICS
   ST_GEOMETRY_COLUMNS ST_SPATIAL_REFERENCE_SYSTEMS ST_UNITS_OF_MEASURE SYSTEM_VARIABLES TABLES TABLES_EXTENSIONS TABLESPACES
   TABLE_CONSTRAINTS TABLE_CONSTRAINTS_EXTENSIONS TABLE_PRIVILEGES TRIGGERS USER_PRIVILEGES VIEWS VIEW_ROUTINE_USAGE
   VIEW_TABLE_USAGE`.split(/\s+/),
);

/** The server takes what follows for the name of a file: `#mysql50#orders` is the table `orders`, which a pattern would not know. */
const fileName = /^#mysql50#/i;

export function withoutFileMark(name: string): string {
  return name.replace(fileName, '');
}

/** Hostile text could bring any number of names. */
const mostPlaces = 10_000;

/** Looks tables up by the names as written; what was found once is kept. */
export class Places {
  private readonly mapping: Mapping;
  private readonly known = new Map<string, Map<string, Place>>();
  private count = 0;

  constructor(mapping: Mapping) {
    this.mapping = mapping;
  }

  of(schema: string, table: string): Place {
    const known = this.known.get(schema)?.get(table);
    return known ?? this.add(schema, table);
  }

  private add(schema: string, table: string): Place {
    if (this.count >= mostPlaces) {
      this.known.clear();
      this.count = 0;
    }
    const place = this.look(schema, table);
    let ofSchema = this.known.get(schema);
    if (ofSchema === undefined) {
      ofSchema = new Map();
      this.known.set(schema, ofSchema);
    }
    ofSchema.set(table, place);
    this.count += 1;
    return place;
  }

  private look(schema: string, table: string): Place {
    const { mapping } = this;
    const isSystem = schema.toLowerCase() === 'information_schema';
    const code = isSystem ? systemRefusal(table) : this.refusalOf(schema, table);
    const tableClass = mapping.classOf(schema, table);
    const real = mapping.realOf(schema, table);
    const target = code === undefined && !isSystem ? mapping.targetOf(schema, table) : { schema, table };
    return {
      kind:
        code !== undefined
          ? 'refused'
          : isSystem
            ? 'system'
            : tableClass === undefined
              ? 'refused'
              : (tableClass as 'shadow' | 'real-read'),
      ref: { schema: real.schema, table: real.table, target: `${target.schema}.${target.table}` },
      code,
      target: quoteName(target.table),
      targetSchema: quoteName(target.schema),
      realSchema: quoteName(real.schema),
      alias: ` AS ${quoteName(table)}`,
    };
  }

  private refusalOf(schema: string, table: string): SqlRefusalCode | undefined {
    const { mapping } = this;
    if (mapping.isShadowName(schema, table)) return 'SQL_SHADOW_NAME';
    if (fileName.test(table)) return 'SQL_REFUSED_TABLE';
    const tableClass = mapping.classOf(schema, table);
    if (tableClass === 'refuse') return 'SQL_REFUSED_TABLE';
    if (tableClass !== undefined) return undefined;
    return mapping.isDatabase(schema) ? 'SQL_UNCLASSED_TABLE' : 'SQL_OTHER_SCHEMA';
  }
}

function systemRefusal(table: string): SqlRefusalCode | undefined {
  return ofTheSchema.has(table.toUpperCase()) ? undefined : 'SQL_ADMIN';
}
