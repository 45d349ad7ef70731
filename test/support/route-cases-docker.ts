import { query } from '../../entities/sql.ts';
import type { TestApi } from './api.ts';
import type { RouteCase } from './route-cases.ts';

let made = 0;
const next = (): number => {
  made += 1;
  return made;
};

async function imageLog({ em }: TestApi): Promise<number> {
  const sql = `insert into docker_image_log (docker_id, worker, image_id, image_name, operation, status, message, actor, task_id, runid, ended_at)
    values ('d', 'w', $1, 'app:1', 'pull', 'succeeded', 'pulled app:1', 'user:operator', gen_random_uuid(), gen_random_uuid(), now()) returning id::int4 as id`;
  return (await query<{ id: number }>(em, sql, [`sha256:${'a'.repeat(64)}`]))[0]?.id ?? 0;
}

async function image({ em }: TestApi): Promise<string> {
  const id = `sha256:${next().toString(16).padStart(64, '0')}`;
  await query(em, `insert into docker_image (docker_id, image_id, repo_tags) values ('d', $1, '{app:1}')`, [id]);
  return id;
}

async function container({ em }: TestApi): Promise<string> {
  const id = next().toString(16).padStart(64, '0');
  const sql = `insert into docker_container (docker_id, container_id, container_name, image_id, image_name, status)
    values ('d', $1, $2, 'sha256:0', 'app:1', 'running')`;
  await query(em, sql, [id, `name-${made}`]);
  return id;
}

/** The template of the engine, as a start seeds it; the tests' own engines stand for the real one. */
async function template({ em }: TestApi): Promise<void> {
  await query(em, `insert into templates (name, engine, schema) values ('image', 'image', '{"type":"object"}') on conflict do nothing`);
  await query(
    em,
    `insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy)
     select 'image', 1, '{"type":"object"}', '{}', 'q', 0.1, 64, v.retry_policy from template_versions v limit 1 on conflict do nothing`,
  );
}

const operation =
  (path: string, body: Record<string, unknown>) =>
  async (api: TestApi): Promise<RouteCase> => {
    await template(api);
    return { path: `/docker/images/${path}`, body: { worker: 'w', ...body } };
  };

type Cases = Record<string, (api: TestApi) => Promise<RouteCase>>;

export const DOCKER_ROUTE_CASES: Cases = {
  pullImage: operation('pull', { image: 'app:1', credentials: 'registry', queue: 'q', priority: 60, timeout: 600 }),
  pushImage: operation('push', { image: '127.0.0.1:5000/app:1' }),
  tagImage: operation('tag', { image: 'app:1', target: 'app:2' }),
  removeImage: operation('remove', { image: 'app:1', force: true }),
  buildImage: operation('build', {
    target: 'app:1',
    dockerfile: 'FROM scratch',
    files: { a: 'b' },
    arguments: { A: 'b' },
    network: 'none',
  }),
  pruneImages: operation('prune', { all: true, until_hours: 24 }),
  importImage: async (api) => {
    await template(api);
    return { path: '/docker/images/import?target=app:1&worker=w', raw: { type: 'application/x-tar', text: 'tar' } };
  },
  listImages: async () => ({ path: '/docker/images' }),
  getImage: async (api) => ({ path: `/docker/images/${await image(api)}` }),
  listContainers: async () => ({ path: '/docker/containers' }),
  getContainer: async (api) => ({ path: `/docker/containers/${await container(api)}` }),
  listImageLogs: async () => ({ path: '/docker/image-logs' }),
  listLogsOfImage: async (api) => {
    await imageLog(api);
    return { path: `/docker/image-logs/image/sha256:${'a'.repeat(64)}` };
  },
  getImageLog: async (api) => ({ path: `/docker/image-logs/${await imageLog(api)}` }),
  streamImageLog: async (api) => ({ path: `/docker/image-logs/${await imageLog(api)}/events` }),
  deleteImageLog: async (api) => ({ path: `/docker/image-logs/${await imageLog(api)}` }),
  getImageLogStats: async () => ({ path: '/docker/image-logs/stats' }),
};
