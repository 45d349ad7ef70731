import { chmod, stat } from 'node:fs/promises';
import type { Stored } from '../../artifacts/artifact-store.ts';
import { noteFile } from './rows.ts';
import { keyOf, type Studio } from './studio.ts';

/**
 * Moves a file that a tool made into the artifact store. It is noted before it is stored: what is in the store without a note does not exist.
 * @throws EngineError quota_exceeded: the user stores too much; internal: no ordinary file; superseded; unavailable: the store
 */
export async function storeFile({ place, context, host }: Studio, name: string, stored_as: string): Promise<Stored> {
  const { task_id, user_id } = context.instance;
  const file = await place.receive(name);
  const key = keyOf(task_id, stored_as);
  const { size } = await stat(file);
  await context.fenced((em) => noteFile(em, { task_id, user_id, key, bytes: size }, host.config.VIDEO_STORAGE_MB));
  await chmod(file, 0o640);
  return await context.artifacts.take(key, file);
}
