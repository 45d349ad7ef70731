import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { type Em, query } from '../entities/sql.ts';
import { OLD_VIOLATION } from './detection-retention.ts';

const BATCH = 200;

type Options = { fork(): Em; signal: AbortSignal; artifacts: ArtifactStore };

/**
 * Removes the pictures of violations that are about to go. First the file, then the mark in the row, without which the row does not go: so a crash
 * leaves no file that nobody knows of.
 * @returns false when told to stop before the end
 */
export async function removeSnapshots(before: Date, { fork, signal, artifacts }: Options): Promise<boolean> {
  while (!signal.aborted) {
    const rows = await query<{ id: string; key: string }>(fork(), FOUND, [before.toISOString()]);
    for (const { key } of rows) await artifacts.remove(key);
    if (rows.length > 0) await query(fork(), UNMARK, [rows.map(({ id }) => id)]);
    if (rows.length < BATCH) return true;
  }
  return false;
}

const FOUND = `select x.id, x.snapshot_key as key from violation_events x where x.snapshot_key is not null and ${OLD_VIOLATION} order by x.timestamp limit ${BATCH}`;
const UNMARK = 'update violation_events set snapshot_key = null where id = any($1::uuid[])';
