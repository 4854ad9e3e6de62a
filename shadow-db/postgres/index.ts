/** SQL redirection for shadow traffic of PostgreSQL, on the server's own parser (libpg-query). */
export { loadParser } from './parser.js';
export {
  createRewriter,
  type PostgresContext,
  type PostgresRewriter,
  type PostgresRewriterOptions,
} from './rewriter.js';
