/**
 * Preload entry: `node --import @shadowline/agent/register server.js` (CommonJS services: `--require`, the same name). Everything is set by
 * SHADOWLINE_* variables.
 */
import { startAgent } from './start-agent.js';

startAgent();
