import { type Em, query } from '../entities/sql.ts';
import { type InstanceFacts, instanceSpec } from './analyze-log.ts';
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

/** Short work ends between two looks; what ended so lately is looked for at each of them. */
const LATELY = `interval '2 hours'`;

const FACTS = `
select i.runid, t.user_id::float8 as user_id, coalesce(s.container_id, c.container_id) as container_id, coalesce(s.container_name, c.container_name) as container_name,
  c.docker_id, i.status not in ('starting', 'running') as ended
from instances i join tasks t on t.uuid = i.task_id left join docker_container c on c.runid = i.runid
left join container_log_source s on s.runid = i.runid and s.kind = 'instance'
where t.type = 'docker' and (s.id is null or s.status = 'reading')`;

/** Those of this worker that run or have just ended, and, of any worker, those whose reading was broken off. */
const AT_HAND = `
select * from (${FACTS} and i.worker = $1 and i.status in ('starting', 'running') order by i.created_at limit 200) a
union select * from (${FACTS} and i.worker = $1 and i.end_time is not null and i.created_at > now() - ${LATELY} order by i.created_at limit 200) b
union select * from (${FACTS} and s.status = 'reading' and i.end_time < now() - interval '1 minute' order by s.id limit 200) c`;

/** Of any worker, those that ended since $1 and that nobody has begun to read. */
const LEFT_OUT = `${FACTS} and s.id is null and i.end_time > $1::timestamptz and i.end_time < now() - interval '1 minute' order by i.created_at limit 200`;

/** An instance whose output is to be read, and the source that it is. `ended`: nothing more will come. */
export type InstanceReading = { runid: string; spec: SourceSpec; ended: boolean };

/** One that runs is taken up when its container is known. */
function readingsOf(rows: readonly InstanceFacts[]): InstanceReading[] {
  const readable = [
    ...new Map(rows.filter(({ container_id, ended }) => container_id !== null || ended).map((row) => [row.runid, row])).values(),
  ];
  return readable.map(({ ended, ...facts }) => ({ runid: facts.runid, ended, spec: { ...instanceSpec(facts), requested_by: 'worker' } }));
}

/** Docker instances whose output is not read to its end: those of this worker, and those that another has left. */
export const instancesToRead = async (em: Em, worker: string): Promise<InstanceReading[]> =>
  readingsOf(await query<InstanceFacts>(em, AT_HAND, [worker]));

/** Docker instances that ended since then and that no worker has begun to read: theirs was away. Reads far back, so it is for now and then. */
export const instancesLeftOut = async (em: Em, since: Date): Promise<InstanceReading[]> =>
  readingsOf(await query<InstanceFacts>(em, LEFT_OUT, [since.toISOString()]));

/** Does the work unless another worker is at the same instance. @returns whether it did */
export async function aloneAtInstance(em: Em, runid: string, work: () => Promise<void>): Promise<boolean> {
  return await em.transactional(async (tx) => {
    await query(tx as Em, `set local idle_in_transaction_session_timeout = '10min'`);
    const [row] = await query<{ ok: boolean }>(tx as Em, 'select pg_try_advisory_xact_lock(hashtextextended($1, 16)) as ok', [runid]);
    if (row?.ok) await work();
    return row?.ok ?? false;
  });
}
