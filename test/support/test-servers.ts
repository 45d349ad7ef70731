/** What global-setup started, told to the test processes by an environment variable. `postgres_url` names the migrated template database. */
export type TestServers = { postgres_url: string; temporal_address: string; data_dir: string };

const VARIABLE = 'ORCHESTRATOR_TEST_SERVERS';

export function announceServers(servers: TestServers): void {
  process.env[VARIABLE] = JSON.stringify(servers);
}

/** @throws Error when jest runs without the project's global-setup */
export function testServers(): TestServers {
  const value = process.env[VARIABLE];
  if (!value) throw new Error('no test servers: run jest with jest.config.mjs, which starts them');
  return JSON.parse(value) as TestServers;
}

/** host:port of the Temporal server of this run, with our search attributes; use a task queue of your own. */
export const temporalAddress = (): string => testServers().temporal_address;
