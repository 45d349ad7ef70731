import { query } from '../entities/sql.ts';
import type { DispatcherDeps } from './deps.ts';

/** A wave goes on as long as one of its instances does. */
const WITHOUT_WORK = `select distinct w.id from unnest($1::text[]) as w(id)
  where not exists (select 1 from instances i where i.workflow_id = w.id and i.status in ('starting', 'running'))`;

/** Terminates those of some workflows that have no live instance. Best effort: what stays open, the reconciler finds. */
export async function endWorkflows(
  { client, fork }: Pick<DispatcherDeps, 'client' | 'fork'>,
  workflow_ids: readonly string[],
  reason: string,
): Promise<void> {
  const idle = await query<{ id: string }>(fork(), WITHOUT_WORK, [workflow_ids]).catch(() => []);
  const terminate = (id: string) =>
    client.workflow
      .getHandle(id)
      .terminate(reason)
      .catch(() => undefined);
  await Promise.all(idle.map(({ id }) => terminate(id)));
}
