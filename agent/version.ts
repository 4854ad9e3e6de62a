/** The agent's version, as in package.json (a test compares them): reading a file at start-up would cost more than this line. */
export const AGENT_VERSION = '0.1.0';
