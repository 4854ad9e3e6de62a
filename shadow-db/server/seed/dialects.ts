import type { SeedDialect } from './dialect.js';
import { mysqlDialect } from './mysql-dialect.js';
import { postgresDialect } from './postgres-dialect.js';

export const dialects = { mysql: mysqlDialect, postgres: postgresDialect } satisfies Record<string, SeedDialect>;

export type DialectName = keyof typeof dialects;
