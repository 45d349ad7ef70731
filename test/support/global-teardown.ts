import { rm } from 'node:fs/promises';
import './global-setup.ts';

/** Stops what global-setup started and removes its data. */
export default async function globalTeardown(): Promise<void> {
  const started = globalThis.orchestratorTestServers;
  if (!started) return;
  await Promise.all([started.postgres.stop(10_000), started.temporal.stop(10_000)]);
  await rm(started.data_dir, { recursive: true, force: true });
}
