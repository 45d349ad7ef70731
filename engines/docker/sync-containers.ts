import type Docker from 'dockerode';
import type { ContainerInspectInfo } from 'dockerode';
import pLimit from 'p-limit';
import { hideEnvironment, maskEnvironment } from '../../core/mask-environment.ts';
import type { ContainerState } from '../../entities/docker-container.ts';
import { type Em, query } from '../../entities/sql.ts';
import { statusOf } from './client.ts';
import { LABEL } from './container-spec.ts';

/** A container as its row has it. */
export type ContainerFacts = {
  container_id: string;
  container_name: string;
  image_id: string;
  image_name: string;
  status: ContainerState;
  exit_code: number | null;
  ports: Record<string, string[]>;
  environment: Record<string, string>;
  labels: Record<string, string>;
  runid: string | null;
  tty: boolean;
  created: string | null;
  started_at: string | null;
  finished_at: string | null;
};

/** Docker's words, and those that Podman uses in their place. */
const STATES: Record<string, ContainerState> = {
  created: 'created',
  configured: 'created',
  initialized: 'created',
  running: 'running',
  stopping: 'running',
  paused: 'paused',
  restarting: 'restarting',
  removing: 'removing',
  exited: 'exited',
  stopped: 'exited',
  dead: 'dead',
};
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Docker writes the year 1 for never. */
const timeOf = (text: string | undefined): string | null => (text && !text.startsWith('0001-') ? new Date(text).toISOString() : null);

type Ports = NonNullable<ContainerInspectInfo['NetworkSettings']>['Ports'];
const portsOf = (ports: Ports | undefined): Record<string, string[]> =>
  Object.fromEntries(
    Object.entries(ports ?? {}).map(([port, bound]) => [port, (bound ?? []).map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}`)]),
  );

/** What an inspection tells, with secrets masked; of a task's environment only the names. */
export function factsOf(info: ContainerInspectInfo): ContainerFacts {
  const labels = info.Config.Labels ?? {};
  const runid = labels[LABEL.runid] ?? '';
  const status = STATES[info.State.Status] ?? 'exited';
  return {
    container_id: info.Id,
    container_name: info.Name.replace(/^\//, ''),
    image_id: info.Image,
    image_name: info.Config.Image,
    status,
    exit_code: ['exited', 'dead'].includes(status) ? info.State.ExitCode : null,
    ports: portsOf(info.NetworkSettings?.Ports),
    environment: (runid === '' ? maskEnvironment : hideEnvironment)(info.Config.Env ?? []),
    labels,
    runid: UUID.test(runid) ? runid : null,
    tty: info.Config.Tty,
    created: timeOf(info.Created),
    started_at: timeOf(info.State.StartedAt),
    finished_at: timeOf(info.State.FinishedAt),
  };
}

const UPSERT = `
insert into docker_container (docker_id, container_id, container_name, image_id, image_name, status, exit_code, ports, environment, labels, runid, created,
  started_at, finished_at, last_seen)
select $1, x.container_id, x.container_name, x.image_id, x.image_name, x.status, x.exit_code, x.ports, x.environment, x.labels, x.runid, x.created, x.started_at,
  x.finished_at, clock_timestamp()
from jsonb_to_recordset($2::jsonb) as x(container_id text, container_name text, image_id text, image_name text, status text, exit_code int4, ports jsonb,
  environment jsonb, labels jsonb, runid uuid, created timestamptz, started_at timestamptz, finished_at timestamptz)
order by x.container_id
on conflict (docker_id, container_id) do update set container_name = excluded.container_name, image_id = excluded.image_id, image_name = excluded.image_name,
  status = excluded.status, exit_code = excluded.exit_code, ports = excluded.ports, environment = excluded.environment, labels = excluded.labels,
  runid = excluded.runid, started_at = excluded.started_at, finished_at = excluded.finished_at, last_seen = excluded.last_seen, removed_at = null`;

const GONE = `
update docker_container set status = 'removed', removed_at = clock_timestamp()
where docker_id = $1 and removed_at is null and not (container_id = any($2)) and last_seen < $3::timestamptz`;

/** PostgreSQL's JSON takes no NUL. */
const json = (value: unknown): string => JSON.stringify(value).replaceAll('\\u0000', '\\ufffd');

async function inspected(docker: Docker, id: string): Promise<ContainerFacts | null> {
  try {
    return factsOf(await docker.getContainer(id).inspect());
  } catch (cause) {
    if (statusOf(cause) === 404) return null;
    throw cause;
  }
}

/** Brings one container into the database: as it is, or as removed. @returns null when it is gone */
export async function syncContainer(
  em: Em,
  docker: Docker,
  { docker_id, id }: { docker_id: string; id: string },
): Promise<ContainerFacts | null> {
  const facts = await inspected(docker, id);
  if (facts) await query(em, UPSERT, [docker_id, json([facts])]);
  else
    await query(
      em,
      `update docker_container set status = 'removed', removed_at = clock_timestamp() where docker_id = $1 and container_id = $2 and removed_at is null`,
      [docker_id, id],
    );
  return facts;
}

/** Compares all containers of a daemon with the database. @returns those that are there */
export async function syncContainers(em: Em, docker: Docker, docker_id: string): Promise<ContainerFacts[]> {
  const [{ now } = { now: '' }] = await query<{ now: string }>(em, 'select clock_timestamp()::text as now');
  const listed = await docker.listContainers({ all: true });
  const limit = pLimit(8);
  const found = await Promise.all(listed.map(({ Id }) => limit(() => inspected(docker, Id))));
  const there = found.filter((facts) => facts !== null);
  if (there.length > 0) await query(em, UPSERT, [docker_id, json(there)]);
  await query(em, GONE, [docker_id, there.map(({ container_id }) => container_id), now]);
  return there;
}
