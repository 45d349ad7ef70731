import { type SegmentType, type Severity, typeOfSeverity } from '../core/logs/levels.ts';
import { parseLine } from '../core/logs/parse-line.ts';
import type { Segment } from '../core/logs/segment.ts';
import type { Em } from '../entities/sql.ts';
import type { SegmentBatch } from '../schemas/log-segment.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';
import { statisticsCache } from './log-statistics.ts';
import { endLogSource, openLogSource } from './open-log-source.ts';
import { SegmentStore } from './store-segments.ts';
import { writeAudit } from './write-audit.ts';

type Item = SegmentBatch['segments'][number];

const OF_TYPE: Record<SegmentType, Severity> = { error: 'error', warning: 'warning', info: 'info', debug: 'debug' };

/** Null says that the entry names no time; left out, it is read from the content. */
function timeOf(stated: string | null | undefined, read: number | null): number | null {
  if (stated === undefined) return read;
  return stated === null ? null : Date.parse(stated);
}

/** What the caller says counts; what is left out is found as for any other line. A type that contradicts the severity yields to it. */
function segmentOf(item: Item, now: number): Segment {
  const first = item.content.split('\n', 1)[0] as string;
  const parsed = parseLine(first, { clock: { reference: now }, stream: item.stream ?? null });
  const stated = item.severity_level ?? (item.segment_type && OF_TYPE[item.segment_type]);
  const severity = stated ?? parsed.severity;
  return {
    line_number: item.line_number,
    line_count: item.line_count ?? item.content.split('\n').length,
    content: item.content,
    severity,
    segment_type: typeOfSeverity(severity),
    detect_source: stated ? 'field' : parsed.source,
    component: item.component === undefined ? parsed.component : item.component,
    time: timeOf(item.timestamp, parsed.time),
    carrier_time: null,
    stream: item.stream ?? null,
    name: null,
    format: parsed.format,
    status: parsed.status,
    cut: false,
    template: null,
  };
}

/** Each month has a source of its own: its segments are filed, and go, with the month in which they were posted. */
const identityOf = (user_id: number | null, now: Date): string =>
  `${user_id === null ? '' : `user/${user_id}/`}batch/${now.toISOString().slice(0, 7)}`;

/** Keeps segments that were made elsewhere. A line of a container that was stored in the same month stays as it is. @returns how many were new */
export async function saveSegments(ctx: CommandContext, { segments }: SegmentBatch): Promise<{ received: number; stored: number }> {
  const fork = (): Em => ctx.em.fork() as Em;
  const user_id = seesAll(ctx.actor) ? null : ctx.actor.id;
  const identity = identityOf(user_id, new Date());
  let stored = 0;
  for (const [container_id, items] of Map.groupBy(segments, (item) => item.container_id)) {
    const container_name = items.find((item) => item.container_name)?.container_name ?? container_id;
    const spec = { container_id, container_name, docker_id: null, kind: 'batch' as const, identity, runid: null, user_id };
    const source = await openLogSource(fork(), { ...spec, requested_by: actorName(ctx.actor) });
    const rows = items.map((item) => segmentOf(item, Date.now()));
    const last = Math.max(...rows.map(({ line_number, line_count }) => line_number + line_count - 1));
    stored += await new SegmentStore(fork, source).store({ segments: rows, lines: last, position: null, pending: [] });
    await endLogSource(fork(), source.id, null);
    await fork().transactional(async (tx) => {
      const entry = { action: 'container_log.save', subject_type: 'container_log_source', subject_id: String(source.id) };
      await writeAudit(tx as Em, { ...entry, actor: actorName(ctx.actor), after: { segments: rows.length }, request_id: ctx.request_id });
    });
  }
  statisticsCache.clear();
  return { received: segments.length, stored };
}
