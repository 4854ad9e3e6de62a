// Three projects: `unit` is pure code; `integration` gets real servers from one global set-up; `e2e` goes through
// the command line. The last two run the compiled toolkit in dist/, so `npm test` builds first.
const shared = {
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  moduleNameMapper: {
    '^@shadowline/shadow-db$': '<rootDir>/shadow-db/index.ts',
    '^@shadowline/shadow-db/postgres$': '<rootDir>/shadow-db/postgres/index.ts',
    '^@shadowline/shadow-db/server/postgres$': '<rootDir>/shadow-db/server/postgres/index.ts',
    '^@shadowline/shadow-db/server$': '<rootDir>/shadow-db/server/mysql/index.ts',
    '^@shadowline/agent$': '<rootDir>/agent/index.ts',
    '^@shadowline/agent/capture$': '<rootDir>/agent/record/capture.ts',
    '^@shadowline/agent/(.*)$': '<rootDir>/agent/$1.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: [
    '<rootDir>/dist/',
    '<rootDir>/agent/dist/',
    '<rootDir>/shadow-db/dist/',
    '<rootDir>/runs/',
  ],
};
const heavy = ['\\.integration\\.test\\.ts$', '\\.e2e\\.test\\.ts$'];

export default {
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', ...heavy],
    },
    {
      ...shared,
      displayName: 'integration',
      testMatch: ['**/*.integration.test.ts'],
      globalSetup: '<rootDir>/bin/test-servers-up.mjs',
      globalTeardown: '<rootDir>/bin/test-servers-down.mjs',
    },
    { ...shared, displayName: 'e2e', testMatch: ['**/*.e2e.test.ts'] },
  ],
  testTimeout: 120_000,
  maxWorkers: 2,
};
