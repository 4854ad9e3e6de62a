/** The agent inside a service. See README.md. */
export type { AgentConfig, AgentOptions, EgressRule, MysqlStoreConfig } from './config.js';
export { type RefusalCode, refusals, ShadowRefusedError } from './errors.js';
export type { Flag } from './flag.js';
export type { AgentState } from './runtime.js';
export { bindShadow, currentFlag, shadowScoped, withShadow } from './scoped.js';
export { type Agent, type AgentStatus, startAgent } from './start-agent.js';
