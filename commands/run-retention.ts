import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { cutoffsOf, RETAINED, type Retained, type RetentionPolicy } from '../core/retention.ts';
import { type Em, query } from '../entities/sql.ts';
import { type ArchivePolicy, archiveOldLogs, removeOldUploads } from './archive-logs.ts';
import { dropOldDays } from './drop-old-days.ts';
import { sealStatistics } from './refresh-statistics.ts';
import { removeSnapshots } from './remove-snapshots.ts';
import { type Place, removeBatch } from './retention-steps.ts';
import { writeAudit } from './write-audit.ts';

/** `interrupted`: told to stop, or the database went away; the run stays open and goes on where the rows are. */
export type RetentionEnd = { status: 'completed' | 'failed' | 'interrupted'; removed: Record<string, number>; error: string | null };

/** `policy`: how long rows are kept; `signal`: stop after the batch under way; `archive`: what logs and images leave behind, and where (absent: they are left alone). */
export type RetentionOptions = {
  fork(): Em;
  policy: RetentionPolicy;
  signal: AbortSignal;
  archive?: { policy: ArchivePolicy; artifacts: ArtifactStore };
  /** Where pictures of violations are removed from (absent: they, and their violations, stay), and whether days of detection records are archived there before they go. */
  detections?: { artifacts: ArtifactStore; archive: boolean };
};

/** One batch of a table that takes longer than this would be cut off by the session's own limit and tried for ever. */
const HOPELESS = /^(22|23|42|57014)/;

/**
 * Carries out a run: removes what was old as of the run's own time, table by table, oldest first, one short transaction for each batch, in which
 * the run's count rises too. A run that was broken off is simply carried out again: its rows are gone, the count stands.
 * One caller at a time is expected to hold the lock of the retention; two would do no harm but share the work.
 */
export async function runRetention(id: number, options: RetentionOptions): Promise<RetentionEnd> {
  const as_of = await begin(options.fork(), id);
  const cutoffs = cutoffsOf(options.policy, as_of);
  try {
    for (const table of RETAINED) {
      const before = cutoffs[table];
      if (before && !(await removeOld(options, { id, table, before }))) return await endOf(options.fork(), id, 'interrupted');
    }
    await archive(options, id, as_of);
    if (options.signal.aborted) return await endOf(options.fork(), id, 'interrupted');
  } catch (cause) {
    const { code, message } = cause as { code?: string; message: string };
    if (!HOPELESS.test(code ?? '')) throw cause;
    await finish(options.fork(), id, { status: 'failed', error: message });
    return await endOf(options.fork(), id, 'failed');
  }
  await finish(options.fork(), id, { status: 'completed', error: null });
  return await endOf(options.fork(), id, 'completed');
}

async function archive({ fork, signal, archive: wanted }: RetentionOptions, id: number, as_of: Date): Promise<void> {
  if (!wanted) return;
  const onRemoved = (table: string, rows: number) => count(fork(), id, { [table]: rows });
  await archiveOldLogs(as_of, { fork: () => fork(), signal, onRemoved, ...wanted }).catch((cause: unknown) => {
    if (!signal.aborted) throw cause;
  });
  await removeOldUploads(wanted.artifacts, as_of);
}

async function begin(em: Em, id: number): Promise<Date> {
  const rows = await query<{ as_of: string }>(
    em,
    `update retention_runs set status = 'running', started_at = coalesce(started_at, clock_timestamp()) where id = $1 and finished_at is null
     returning as_of`,
    [id],
  );
  return new Date(rows[0]?.as_of ?? 0);
}

type Work = { id: number; table: Retained; before: Date };

/** What goes before the rows of a table. @returns false when told to stop before the end */
async function prepare({ fork, signal, detections }: RetentionOptions, { id, table, before }: Work): Promise<boolean> {
  if (table === 'violation_events' && detections) return await removeSnapshots(before, { fork, signal, artifacts: detections.artifacts });
  if (table !== 'detection_records') return true;
  const counted = (tx: Em, rows: number) => count(tx, id, { detection_records: rows });
  return await dropOldDays(before, { fork, signal, archive: detections?.archive ? detections.artifacts : null, counted });
}

/** @returns false when told to stop before the end */
async function removeOld(options: RetentionOptions, { id, table, before }: Work): Promise<boolean> {
  const { fork, signal } = options;
  if (!(await prepare(options, { id, table, before }))) return false;
  let place: Place | null = null;
  if (table === 'tasks') await sealStatistics(fork(), before);
  do {
    if (signal.aborted) return false;
    const at: { before: Date; place: Place | null } = { before, place };
    place = await fork().transactional(async (tx) => {
      const batch = await removeBatch(tx as Em, table, at);
      await count(tx as Em, id, batch.removed);
      return batch.place;
    });
  } while (place);
  return true;
}

async function count(tx: Em, id: number, removed: Record<string, number>): Promise<void> {
  for (const [table, n] of Object.entries(removed)) {
    if (n === 0) continue;
    await query(
      tx,
      `update retention_runs set removed = removed || jsonb_build_object($2::text, coalesce((removed->>$2)::int8, 0) + $3::int8) where id = $1`,
      [id, table, n],
    );
  }
}

async function finish(em: Em, id: number, { status, error }: { status: string; error: string | null }): Promise<void> {
  await em.transactional(async (tx) => {
    const rows = await query<{ removed: unknown }>(
      tx as Em,
      `update retention_runs set status = $2, error = $3, finished_at = clock_timestamp() where id = $1 and finished_at is null returning removed`,
      [id, status, error],
    );
    if (!rows[0]) return;
    await writeAudit(tx as Em, {
      actor: 'dispatcher',
      action: `retention.${status}`,
      subject_type: 'retention_run',
      subject_id: String(id),
      after: { removed: rows[0].removed, error },
      request_id: null,
    });
  });
}

async function endOf(em: Em, id: number, status: RetentionEnd['status']): Promise<RetentionEnd> {
  const rows = await query<Pick<RetentionEnd, 'removed' | 'error'>>(em, `select removed, error from retention_runs where id = $1`, [id]);
  return { status, removed: rows[0]?.removed ?? {}, error: rows[0]?.error ?? null };
}

/** Forgets the idempotency keys that are old by now, in batches. @returns how many */
export async function forgetKeys({ fork, policy, signal }: RetentionOptions): Promise<number> {
  const before = cutoffsOf(policy, new Date()).idempotency_keys as Date;
  let forgotten = 0;
  let place: Place | null = null;
  do {
    const at: { before: Date; place: Place | null } = { before, place };
    const batch = await fork().transactional((tx) => removeBatch(tx as Em, 'idempotency_keys', at));
    forgotten += batch.removed.idempotency_keys ?? 0;
    place = batch.place;
  } while (place && !signal.aborted);
  return forgotten;
}

/** Writes the daily run that is due at `at`, once for all dispatchers; nothing for times before the installation or before a run already written. */
export async function scheduleRetention(em: Em, at: Date): Promise<void> {
  await query(
    em,
    `insert into retention_runs (trigger, scheduled_for, requested_by)
     select 'schedule', $1::timestamptz, 'dispatcher'
     where $1::timestamptz > coalesce((select max(scheduled_for) from retention_runs), (select max(executed_at) from schema_migrations), '-infinity')
     on conflict do nothing`,
    [at.toISOString()],
  );
}
