/** SQL redirection for shadow traffic: pure, no I/O, no dependency. What talks to servers is in ./server. */
export { type SqlRefusalCode, sqlRefusals } from './codes.js';
export type { IsolationMode, TableClass } from './mapping.js';
export { checkSuffix, isShadowName, maxNameLength, quoteName, ShadowNameError, shadowName } from './names.js';
export type { TableRef } from './redirect.js';
export {
  createRewriter,
  type RewriteContext,
  type RewriteResult,
  type Rewriter,
  type RewriterOptions,
  type SqlMode,
} from './rewriter.js';
export type { Verb } from './statement.js';
