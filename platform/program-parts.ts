import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EngineError } from '../core/errors.ts';
import type { Exit } from './guarded-process.ts';
import { type NodeProcess, startNode } from './node-part.ts';
import type { Part } from './process-supervisor.ts';

/** Beyond the grace a worker stores how interrupted work ended. */
const STORE_MS = 25_000;

/** Generous: a machine under full load takes ten times its usual two seconds. */
const READY_MS = 180_000;

/** Polls until the program says that it is ready; a program that ends before, or takes too long, is a failure. */
async function untilReady(name: string, child: NodeProcess, ready: () => Promise<boolean>): Promise<NodeProcess> {
  let ended: Exit | null = null;
  void child.exited.then((exit) => {
    ended = exit;
  });
  for (const until = Date.now() + READY_MS; Date.now() < until; await sleep(50)) {
    if (ended !== null)
      throw new EngineError('internal', `${name} ended while it started (${JSON.stringify(ended)}); its own log lines above say why`);
    if (await ready().catch(() => false)) return child;
  }
  await child.stop(1000);
  throw new EngineError('timeout', `${name} was not ready after ${READY_MS / 1000} s; its own log lines above may say why`);
}

/** The REST API; ready when /readyz says so. */
export const apiPart = (url: string, env: Record<string, string>): Part => ({
  name: 'api',
  stop_limit_ms: 15_000,
  start: () => untilReady('api', startNode({ script: 'api/main.ts', env }), async () => (await fetch(`${url}/readyz`)).ok),
});

/** A worker with its dispatcher; ready when it has registered itself in the database. */
export function workerPart(database_url: string, env: Record<string, string>, grace_s: number): Part {
  const start = async () => {
    const client = new pg.Client({ connectionString: database_url, application_name: 'orchestrator start' });
    client.on('error', () => undefined);
    await client.connect();
    const child = startNode({ script: 'worker/main.ts', env });
    const registered = async () => {
      const { rowCount } = await client.query(
        "select 1 from workers where pid = $1 and status <> 'offline' and heartbeat_at > now() - interval '20 s'",
        [child.pid],
      );
      return rowCount !== null && rowCount > 0;
    };
    return await untilReady('worker', child, registered).finally(() => client.end());
  };
  return { name: 'worker', stop_limit_ms: grace_s * 1000 + STORE_MS, start };
}
