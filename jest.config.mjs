/** Tests run as ES modules on the real servers; see CONTRIBUTING.md. */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } }] },
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '\\.long\\.test\\.ts$'],
  modulePathIgnorePatterns: ['<rootDir>/.data/'],
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // Tests of whole processes mostly wait: two cores are enough for three.
  maxWorkers: 3,
  // Modules of a finished test file stay in memory, 30 MB a file: beyond this a worker is replaced by a fresh one.
  workerIdleMemoryLimit: '1GB',
  // Giving the rest back takes a worker up to a second; what a test left open keeps it for longer than this, and is reported.
  workerGracefulExitTimeout: 5_000,
  testTimeout: 60_000,
  coverageProvider: 'v8',
  collectCoverageFrom: [
    '{config,core,schemas,entities,artifacts,engines,commands,activities,workflows,dispatcher,worker,api,platform,cli}/**/*.ts',
  ],
};
