import type { Actor } from '../../commands/context.ts';
import { type Em, query } from '../../entities/sql.ts';
import { contextOf, makePool, makeQueue, makeTemplate, makeUser, makeWorker, submitOne } from './factories.ts';

/** One pool, queue, worker and user for videos, and the template `v` whose tasks pass for videos. */
export async function makeVideoWorld(em: Em): Promise<Actor> {
  await makePool(em);
  await makeQueue(em);
  await makeWorker(em);
  await makeTemplate(em, 'v');
  return await makeUser(em, 'ada');
}

/** A task of the type `video`, `processing`, as an engine finds it; nothing runs it. */
export async function makeVideoTask(em: Em, parameters: Record<string, unknown> = {}): Promise<string> {
  const [user] = await query<Actor>(em, `select id::int4 as id, username, role, rights from users order by id limit 1`);
  const { uuid } = await submitOne(contextOf(em, user as Actor), { template: 'v' });
  await query(em, `update tasks set type = 'video', parameters = $2::jsonb, status = 'processing', started_at = now() where uuid = $1`, [
    uuid,
    JSON.stringify(parameters),
  ]);
  return uuid;
}
