export { agentConfigOf } from './agent-config.js';
export { parseGuardrail } from './guardrail-line.js';
export { jsonSchema } from './json-schema.js';
export { loadScenario, readScenario, validateScenario } from './parse.js';
export { ScenarioError } from './problem.js';
export type { Guardrail, MysqlScenario, PostgresScenario, Scenario } from './scenario.js';
export { samplesFor } from './slo.js';
