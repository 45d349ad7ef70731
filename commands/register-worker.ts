import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';

/**
 * A worker as it announces itself. `boot_id`: new at each start of the process; the latest start owns the id. `total_cpu` in cores,
 * `total_memory` in MB. `engines`: what it can run now; `unavailable`: the others, each with the reason. `docker_id`: of its Docker Engine.
 */
export type WorkerRegistration = {
  id: string;
  pool: string;
  hostname: string;
  pid: number;
  boot_id: string;
  version: string;
  total_cpu: number;
  total_memory: number;
  engines: readonly string[];
  unavailable: Readonly<Record<string, string>>;
  docker_id: string | null;
};

/**
 * Announces a worker, or takes its id over from an earlier start. A worker that was told to drain stays so.
 * @throws EngineError not_found: no such pool
 */
export async function registerWorker(em: Em, worker: WorkerRegistration): Promise<void> {
  const rows = await query(em, REGISTER, [
    worker.id,
    worker.pool,
    worker.hostname,
    worker.pid,
    worker.boot_id,
    worker.version,
    worker.total_cpu,
    worker.total_memory,
    worker.engines,
    JSON.stringify(worker.unavailable),
    worker.docker_id,
  ]);
  if (rows.length === 0)
    throw new EngineError('not_found', `worker "${worker.id}": there is no pool "${worker.pool}" for it; create it first`);
}

const REGISTER = `
insert into workers (id, pool, hostname, pid, boot_id, version, total_cpu, total_memory, engines, unavailable, docker_id,
  status, heartbeat_at, started_at)
select $1, name, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, 'active', clock_timestamp(), clock_timestamp() from pools where name = $2
on conflict (id) do update set pool = excluded.pool, hostname = excluded.hostname, pid = excluded.pid, boot_id = excluded.boot_id,
  version = excluded.version, total_cpu = excluded.total_cpu, total_memory = excluded.total_memory, engines = excluded.engines,
  unavailable = excluded.unavailable, docker_id = coalesce(excluded.docker_id, workers.docker_id), heartbeat_at = excluded.heartbeat_at, started_at = excluded.started_at,
  status = case when workers.status = 'drain' then 'drain' else 'active' end
returning id`;

/** `leaving`: it finishes what it has and shall be given nothing more. */
export type WorkerSign = Pick<WorkerRegistration, 'id' | 'boot_id' | 'engines' | 'unavailable'> & {
  docker_id?: string | null;
  leaving: boolean;
};

/**
 * A sign of life, with what the worker can run now. An `offline` worker that shows one is `active` again, unless it is leaving.
 * @returns `replaced` when a later start owns the id: this process must stop
 */
export async function workerHeartbeat(em: Em, sign: WorkerSign): Promise<'active' | 'drain' | 'offline' | 'replaced'> {
  const rows = await query<{ status: 'active' | 'drain' | 'offline' }>(
    em,
    `update workers set heartbeat_at = clock_timestamp(), engines = $3, unavailable = $4::jsonb, docker_id = coalesce($6, docker_id),
       status = case when status = 'offline' and not $5 then 'active' when status = 'active' and $5 then 'offline' else status end
     where id = $1 and boot_id = $2 returning status`,
    [sign.id, sign.boot_id, sign.engines, JSON.stringify(sign.unavailable), sign.leaving, sign.docker_id ?? null],
  );
  return rows[0]?.status ?? 'replaced';
}
