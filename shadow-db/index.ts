/** SQL redirection for shadow traffic: pure, no I/O, no dependency. What talks to servers is in ./server. */
export { type SqlRefusalCode, sqlRefusals } from './codes.js';
export type { IsolationMode, TableClass } from './mapping.js';
export {
  createRewriter,
  type RewriteContext,
  type Rewriter,
  type RewriterOptions,
  type SqlMode,
} from './mysql/rewriter.js';
export { checkSuffix, isShadowName, quoteName, ShadowNameError, shadowName } from './names.js';
export type { RewriteResult, SqlRewriter, TableRef, Verb } from './rewriter.js';
