export { agentConfigOf, RUN_KEY } from './agent-config.js';
export { parseGuardrail } from './guardrail-line.js';
export { jsonSchema } from './json-schema.js';
export { type LoadOptions, loadScenario, readScenario, validateScenario } from './parse.js';
export { formatProblem, nearest, type Problem, ScenarioError } from './problem.js';
export type { Guardrail, MysqlScenario, Scenario, ShadowScenario, Threshold } from './scenario.js';
export { dataOfResult, dataOfStep, evaluateThreshold, parseThreshold, samplesFor, type ThresholdData } from './slo.js';
