import type { Frame } from '../../core/detection/frame.ts';
import { blockOf } from '../../core/detection/frame-set.ts';
import type { SessionState } from '../../core/detection/session.ts';
import { publishFrames } from '../../entities/camera-live.queries.ts';
import { type DetectionRows, saveDetectionRecords } from '../../entities/detection-record.queries.ts';
import { type FrameBlock, type LockedSession, lockSessions, readBlocks } from '../../entities/detection-session.queries.ts';
import { type Em, query } from '../../entities/sql.ts';
import { evaluateAlerts, type ViolationNews } from './evaluate-alerts.ts';
import { type GroupResult, type JudgedPart, judgePart } from './judge-batch.ts';

/** An execution of an instance in whose name frames are stored; once another owns the instance, they are not. */
export type Owner = { runid: string; execution: number };

/** Frames of one session from one source. `owner` null: nobody's in particular. */
export type FrameGroup = { session_id: number; frames: readonly Frame[]; owner: Owner | null };

/** `stored`: see `GroupResult`. `superseded`: its owner owns nothing any more; `gone`: the session was removed meanwhile. Neither stored anything. */
export type SavedGroup = ({ outcome: 'stored' } & GroupResult) | { outcome: 'superseded' } | { outcome: 'gone' };

export type Saved = { groups: SavedGroup[]; touched_hours: boolean };

/** The most frames of a camera that viewers are handed at once. */
const LIVE_FRAMES = 30;

const isOwned = (owned: ReadonlySet<string>, owner: Owner | null): boolean =>
  owner === null || owned.has(`${owner.runid} ${owner.execution}`);

/** Which owners still own their instance; their rows are held until the transaction ends, so that none changes hands meanwhile. */
async function ownedBy(em: Em, owners: readonly Owner[]): Promise<Set<string>> {
  if (owners.length === 0) return new Set();
  const rows = await query<{ owner: string }>(em, OWNED, [owners.map(({ runid }) => runid), owners.map(({ execution }) => execution)]);
  return new Set(rows.map(({ owner }) => owner));
}

const OWNED = `select i.runid || ' ' || i.lease_epoch as owner from instances i join unnest($1::uuid[], $2::int4[]) w(runid, execution)
  on i.runid = w.runid and i.lease_epoch = w.execution where i.status = 'running' order by i.runid for share of i`;

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** Blocks of the frame sets that a batch needs. */
function neededBlocks(groups: readonly FrameGroup[]): Omit<FrameBlock, 'bits'>[] {
  const keys = groups.flatMap(({ session_id, frames }) => frames.map(({ frame_number }) => `${session_id} ${blockOf(frame_number)}`));
  return unique(keys).map((key) => {
    const [session_id = 0, block = 0] = key.split(' ').map(Number);
    return { session_id, block };
  });
}

/** A session's part with where its groups stand in the batch. */
type Part = JudgedPart & { session: LockedSession<SessionState>; places: number[] };

function judgeAll(groups: readonly FrameGroup[], sessions: readonly LockedSession<SessionState>[], blocks: readonly FrameBlock[]): Part[] {
  return sessions.map((session) => {
    const places = groups.flatMap(({ session_id }, i) => (session_id === session.id ? [i] : []));
    const theirs = places.map((i) => groups[i]?.frames ?? []);
    const part = judgePart({ session, groups: theirs, blocks: blocks.filter(({ session_id }) => session_id === session.id) });
    return { ...part, session, places };
  });
}

const joined = (parts: readonly Part[]): DetectionRows => ({
  sessions: parts.flatMap(({ rows }) => rows.sessions),
  blocks: parts.flatMap(({ rows }) => rows.blocks),
  records: parts.flatMap(({ rows }) => rows.records),
  violations: parts.flatMap(({ rows }) => rows.violations),
  minutes: parts.flatMap(({ rows }) => rows.minutes),
});

const newsOf = ({ session, changes }: Part): ViolationNews[] =>
  changes.flatMap(({ cause, violation, timestamp }) =>
    cause === 'seen' || cause === 'ended' ? [] : [{ cause, camera_id: session.camera_id, violation, timestamp }],
  );

/** The newest frames of each camera that is watched. */
function liveFrames(parts: readonly Part[]): Record<string, unknown[]> {
  const watched = parts.filter(({ session, judged }) => session.watched && judged.length > 0);
  return Object.fromEntries(
    watched.map(({ session, judged }) => [
      session.camera_id,
      judged.slice(-LIVE_FRAMES).map(({ frame: { frame_number, timestamp, person_count, hairnet_violations }, objects }) => ({
        session_id: session.name,
        frame_number,
        timestamp: new Date(timestamp).toISOString(),
        person_count,
        hairnet_violations,
        objects,
      })),
    ]),
  );
}

/**
 * Stores frames of any number of sessions, each frame once: counts, records, violations, minutes and the alerts that follow, all in one transaction. Callers have
 * made the partitions of its days.
 * @returns what became of each group, in order
 */
export async function saveFrames(em: Em, groups: readonly FrameGroup[]): Promise<Saved> {
  return await em.transactional(async (tx) => {
    const db = tx as Em;
    const owned = await ownedBy(
      db,
      groups.flatMap(({ owner }) => owner ?? []),
    );
    const mine = groups.map((group) => (isOwned(owned, group.owner) ? group : { ...group, frames: [], session_id: 0 }));
    const sessions = await lockSessions<SessionState>(db, unique(mine.map(({ session_id }) => session_id)));
    const known = mine.filter(({ session_id }) => sessions.some(({ id }) => id === session_id));
    const parts = judgeAll(mine, sessions, await readBlocks(db, neededBlocks(known)));
    const rows = joined(parts);
    if (rows.sessions.length > 0) await saveDetectionRecords(db, rows);
    await evaluateAlerts(db, parts.flatMap(newsOf));
    const live = liveFrames(parts);
    if (Object.keys(live).length > 0) await publishFrames(db, live);
    return { groups: groups.map((group, i) => outcomeOf(parts, i, isOwned(owned, group.owner))), touched_hours: rows.minutes.length > 0 };
  });
}

function outcomeOf(parts: readonly Part[], place: number, owned: boolean): SavedGroup {
  if (!owned) return { outcome: 'superseded' };
  for (const { places, results } of parts) {
    const result = results[places.indexOf(place)];
    if (result) return { outcome: 'stored', ...result };
  }
  return { outcome: 'gone' };
}
