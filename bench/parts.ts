import path from 'node:path';
import { WAVE_MOST } from '../core/waves.ts';
import type { ProductApiMethods } from './product-api.ts';
import { type Methods, type Remote, startRemote } from './remote.ts';
import type { Servers } from './servers.ts';
import { type Product, prepareWaves } from './wave-load.ts';

/** Processes by role, started one after another and stopped in reverse order. */
export class Parts {
  readonly roles = new Map<number, string>();
  private readonly stops: (() => Promise<void>)[] = [];
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async start<M extends Methods>(role: string, script: string, options: unknown): Promise<Remote<M>> {
    const remote = await startRemote<M>(script, { options, log_file: path.join(this.folder, 'logs', `${role}.log`) });
    this.roles.set(remote.pid, role);
    this.stops.unshift(() => remote.stop());
    return remote;
  }

  async stop(): Promise<void> {
    for (const stop of this.stops) await stop();
  }
}

/** API and worker of the product on one database; with `stub`, nothing of Temporal. */
export async function startProduct(
  parts: Parts,
  servers: Servers,
  { database_url, key, stub }: { database_url: string; key: string; stub: boolean },
): Promise<Product> {
  const settings = {
    DATA_DIR: servers.data_dir,
    DATABASE_URL: database_url,
    TEMPORAL_ADDRESS: servers.temporal_address,
    API_PORT: '0',
    RATE_LIMIT_PER_MINUTE: '0',
    WAVE_SIZE: String(WAVE_MOST),
  };
  const env = { ...settings, WORKER_CPU: '8' };
  const api = await parts.start<ProductApiMethods>(stub ? 'stub api' : 'api', 'product-api.ts', { env });
  await parts.start<Methods>(stub ? 'stub worker' : 'worker', stub ? 'stub-worker.ts' : 'product-worker.ts', { env });
  const product = { api_url: await api.call('url', undefined), key, database_url };
  await prepareWaves(product);
  return product;
}
