import { updateHourlyStatistics } from '../entities/camera-statistics.queries.ts';
import { ensurePartitions } from '../entities/detection-record.queries.ts';
import { type Em, query } from '../entities/sql.ts';

const DAY_MS = 86_400_000;

/** Makes the partitions of today and the days to come, so that no writer has to. */
export async function preparePartitions(em: Em, now: number): Promise<void> {
  await ensurePartitions(
    em,
    [0, 1, 2].map((days) => now + days * DAY_MS),
  );
}

/**
 * What nobody else does: ends violations of sessions that have fallen silent (their frames end them otherwise), and computes hours whose writer died before
 * it could. A session that goes on after all opens its violations again, with the frame that shows them.
 * @returns violations ended, hours computed
 */
export async function sweepDetections(em: Em): Promise<{ ended: number; computed: number }> {
  const ended = await query<{ id: string }>(em, END_SILENT);
  return { ended: ended.length, computed: await updateHourlyStatistics(em) };
}

/** By the clock on the wall, and only what is over by the time of the frames too: replays and late uploads are silent for other reasons. */
const END_SILENT = `
with v as (
  update violation_events e set ended_at = e.last_seen from detection_sessions s
  where e.ended_at is null and s.id = e.session_id and e.updated_at < now() - make_interval(secs => 10 + (s.rules->>'gap_ms')::float8 / 1000)
    and s.updated_at < now() - make_interval(secs => 10 + (s.rules->>'gap_ms')::float8 / 1000)
  returning e.id, e.last_seen),
h as (update alert_history a set resolved_at = v.last_seen from v where a.violation_id = v.id and a.resolved_at is null)
select id from v`;
