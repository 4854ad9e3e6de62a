/** SQL redirection for shadow traffic: pure, no I/O, no dependency. What talks to servers is in ./server. */
export { type SqlRefusalCode, sqlRefusals } from './codes.js';
export { type IsolationMode, Mapping, type MappingOptions, type TableClass } from './mapping.js';
export { Tokens } from './mask.js';
export { isCardNumber } from './mask-patterns.js';
export {
  createRewriter,
  type RewriteContext,
  type Rewriter,
  type RewriterOptions,
  type SqlMode,
} from './mysql/rewriter.js';
export {
  checkSuffix,
  isShadowName,
  type NameLimit,
  nameLimits,
  quoteName,
  ShadowNameError,
  shadowName,
} from './names.js';
export type { RewriteResult, SqlRewriter, TableRef, Verb } from './rewriter.js';
