import { type Em, query } from '../entities/sql.ts';
import { instanceSpec } from './analyze-log.ts';
import { type LogSource, loadLogSource, openLogSource, type SourceSpec } from './open-log-source.ts';

/** Which containers' logs are read without being asked: none, those of docker tasks, also those with the label, or all. */
export const LOG_SCOPES = ['off', 'tasks', 'labelled', 'all'] as const;
export type LogScope = (typeof LOG_SCOPES)[number];

/** A container with this label (`true` or `on`) has its log read. */
export const LOG_LABEL = 'orchestrator.logs';

type Labelled = { labels: Record<string, string>; runid: string | null; started_at: string | null };

/** Whether a container's log is to be read. Those of docker tasks are read as the output of their instances, which is complete. */
export function wantsReading({ labels, runid, started_at }: Labelled, scope: LogScope): boolean {
  if (runid !== null || started_at === null || scope === 'off' || scope === 'tasks') return false;
  return scope === 'all' || ['true', 'on', '1'].includes(labels[LOG_LABEL] ?? '');
}

type Container = { container_id: string; container_name: string; docker_id: string };

/** Has a container read that is not, or was stopped and runs again; `running`: one that was read to its end is left when it is not. */
export async function openContainerLog(em: Em, container: Container, running: boolean): Promise<void> {
  const known = await query<{ status: string }>(
    em,
    `select status from container_log_source where container_id = $1 and identity = 'container'`,
    [container.container_id],
  );
  if (known[0] && (known[0].status === 'reading' || !running)) return;
  const spec = { ...container, kind: 'container' as const, identity: 'container', runid: null, user_id: null };
  await openLogSource(em, { ...spec, requested_by: 'worker' });
}

/** The containers of a daemon whose logs are being read, or are to be. */
export async function containersToRead(em: Em, docker_id: string): Promise<LogSource[]> {
  const rows = await query<{ id: number }>(
    em,
    `select id::float8 as id from container_log_source where status = 'reading' and kind = 'container' and docker_id = $1 order by id limit 1000`,
    [docker_id],
  );
  const sources = await Promise.all(rows.map(({ id }) => loadLogSource(em, id)));
  return sources.filter((source) => source !== null);
}

type InstanceRow = {
  runid: string;
  user_id: number;
  container_id: string | null;
  container_name: string | null;
  docker_id: string | null;
  ended: boolean;
};

const INSTANCES = `
select i.runid, t.user_id::float8 as user_id, c.container_id, c.container_name, c.docker_id, i.status not in ('starting', 'running') as ended
from instances i join tasks t on t.uuid = i.task_id left join docker_container c on c.runid = i.runid
where i.worker = $1 and t.type = 'docker' and i.created_at > now() - interval '2 days'
  and (i.status in ('starting', 'running') or i.end_time > now() - interval '1 hour')
  and not exists (select 1 from container_log_source s where s.container_id = coalesce(c.container_id, 'orch-' || i.runid) and s.identity = 'instance/' || i.runid
    and s.status <> 'reading')
order by i.created_at limit 200`;

/** An instance whose output is to be read, and the source that it is. `ended`: nothing more will come. */
export type InstanceReading = { runid: string; spec: SourceSpec; ended: boolean };

/** Docker instances of this worker whose output is not read to its end. One that runs is taken up when its container is known. */
export async function instancesToRead(em: Em, worker: string): Promise<InstanceReading[]> {
  const rows = await query<InstanceRow>(em, INSTANCES, [worker]);
  const readable = rows.filter(({ container_id, ended }) => container_id !== null || ended);
  return readable.map(({ ended, ...facts }) => ({ runid: facts.runid, ended, spec: { ...instanceSpec(facts), requested_by: 'worker' } }));
}
