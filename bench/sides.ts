import path from 'node:path';
import type { Config } from '../config/env.ts';
import { loadConfig } from '../config/env.ts';
import type { BareMethods } from './bare-temporal.ts';
import type { FloorMethods } from './floor-server.ts';
import type { LoadClientMethods } from './load-client.ts';
import type { Roles } from './process-usage.ts';
import type { ProductApiMethods } from './product-api.ts';
import { type Methods, type Remote, type RemoteOptions, startRemote } from './remote.ts';
import type { Servers } from './servers.ts';
import { openTaskProbe, type TaskProbe } from './task-probe.ts';
import { openTemporalProbe, type TemporalProbe } from './temporal-probe.ts';

/** Both sides of every comparison, running: each part a process of its own, known by its role. `api_url`, `floor_url`: where to post a task. */
export type Sides = {
  servers: Servers;
  roles: Roles;
  client: Remote<LoadClientMethods>;
  bare: Remote<BareMethods>;
  api_url: string;
  floor_url: string;
  temporal: TemporalProbe;
  tasks: TaskProbe;
  stop(): Promise<void>;
};

/** Settings of the product's processes: its defaults, whatever the environment says, on this run's servers. */
export type ProductOptions = { env: Record<string, string> };

const productOptions = (servers: Servers): ProductOptions => ({
  env: {
    DATA_DIR: servers.data_dir,
    DATABASE_URL: servers.database_url,
    TEMPORAL_ADDRESS: servers.temporal_address,
    API_PORT: '0',
    OUTBOUND_ALLOW: '127.0.0.1',
  },
});

const profiled = (folder: string | null, role: string): string[] =>
  folder ? ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${role}.cpuprofile`] : [];

/** Starts the parts one after another; those already running are stopped when one cannot start. */
export async function startSides(servers: Servers, profile: string | null): Promise<Sides> {
  const roles = new Map<number, string>();
  const stops: (() => Promise<void>)[] = [];
  const start = async <M extends Methods>(role: string, script: string, options: Partial<RemoteOptions>): Promise<Remote<M>> => {
    const log_file = path.join(servers.data_dir, 'logs', `${role}.log`);
    const remote = await startRemote<M>(script, { options: null, log_file, ...options });
    roles.set(remote.pid, role);
    stops.unshift(() => remote.stop());
    return remote;
  };
  const stop = async () => {
    for (const one of stops) await one();
  };
  try {
    const config: Config = loadConfig({});
    const options = productOptions(servers);
    const api = await start<ProductApiMethods>('api', 'product-api.ts', { options, exec_argv: profiled(profile, 'api') });
    await start<Methods>('worker', 'product-worker.ts', { options, exec_argv: profiled(profile, 'worker') });
    const bare = await start<BareMethods>('bare', 'bare-temporal.ts', {
      options: { address: servers.temporal_address, namespace: servers.namespace },
      exec_argv: profiled(profile, 'bare'),
    });
    const floor = await start<FloorMethods>('floor', 'floor-server.ts', {
      options: { database_url: servers.database_url, pool_max: config.DB_POOL_MAX },
    });
    const client = await start<LoadClientMethods>('client', 'load-client.ts', {});
    const temporal = await openTemporalProbe(servers.temporal_address, servers.namespace);
    stops.unshift(() => temporal.close());
    const tasks = await openTaskProbe(servers.database_url);
    stops.unshift(() => tasks.close());
    const urls = { api_url: await api.call('url', undefined), floor_url: await floor.call('url', undefined) };
    return { servers, roles, client, bare, ...urls, temporal, tasks, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
