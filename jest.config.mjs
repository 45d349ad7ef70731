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
  testTimeout: 60_000,
  coverageProvider: 'v8',
  collectCoverageFrom: [
    '{config,core,schemas,entities,artifacts,engines,commands,activities,workflows,dispatcher,worker,api,platform,cli}/**/*.ts',
  ],
};
