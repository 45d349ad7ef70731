import type { BucketShape } from '../core/token-bucket.ts';
import type { Em } from '../entities/sql.ts';
import type { AdmittedInstance } from './admit.ts';
import type { Choice } from './choose-tasks.ts';
import { makeBuckets, takeFromBuckets, untilToken } from './rate-buckets.ts';
import { mixedGroups, regroupTasks } from './regroup-tasks.ts';
import type { Group, RoomRows } from './snapshot.ts';
import { throttleTasks } from './throttle-tasks.ts';
import { chargeShares } from './user-shares.ts';

/**
 * What kept a pass from seeing everything that may start. `missing`: buckets to be made; `dry`: buckets without a token whose tasks stand before
 * others; `mixed`: groups that are not as the fairness of their queue has them. `token_in_ms`: when queues' own buckets, or those taken from, have a token again.
 */
export type Obstacles = { missing: readonly BucketShape[]; dry: readonly string[]; mixed: readonly Group[]; token_in_ms: number[] };

/** @param taken_ms as `chargeStarts` says */
export function obstaclesOf(room: RoomRows, choice: Choice | null, taken_ms: number | null): Obstacles {
  const own = new Set(room.queues.map(({ bucket }) => bucket));
  const waits = room.buckets.filter(({ name }) => own.has(name)).map((bucket) => untilToken(bucket, room.now));
  const token_in_ms = [...waits.filter((ms) => ms > 0), ...(taken_ms === null ? [] : [taken_ms])];
  if (!choice) return { missing: room.missing, dry: [], mixed: [], token_in_ms };
  const mixed = mixedGroups(choice.snapshot.candidates, room.queues);
  return { missing: choice.missing, dry: [...choice.decisions.dry], mixed, token_in_ms };
}

/**
 * Removes what kept a pass from seeing further, after its transaction, in short ones that wait for nobody.
 * @returns whether another pass may see more than this one did
 */
export async function clearTheWay(em: Em, obstacles: Obstacles, on_token: (in_ms: number) => void): Promise<boolean> {
  const { missing, dry, mixed, token_in_ms } = obstacles;
  await makeBuckets(em, missing);
  const { throttled, token_in_ms: first } = await throttleTasks(em, dry);
  for (const ms of token_in_ms) on_token(ms);
  if (first !== null) on_token(Math.max(0, first));
  // A batch at a time, so that admissions go on in between.
  if ((await regroupTasks(em, mixed)) > 0) on_token(0);
  return missing.length > 0 || throttled > 0;
}

/**
 * Takes the tokens of what was admitted and charges its users, in the transaction that admits.
 * @returns as `takeFromBuckets`
 */
export async function chargeStarts(em: Em, admitted: readonly AdmittedInstance[], seen: Choice['snapshot']): Promise<number | null> {
  const { candidates, queues, now } = seen;
  if (admitted.length === 0) return null;
  const started = new Set(admitted.map(({ task_id }) => task_id));
  const starts = candidates.filter(({ uuid }) => started.has(uuid));
  const lines = new Map(queues.map((queue) => [queue.name, queue]));
  const names = starts.flatMap(({ bucket, queue }) => [bucket, lines.get(queue)?.bucket ?? null]).filter((name) => name !== null);
  const counts = Map.groupBy(names, (name) => name);
  const token_in_ms = await takeFromBuckets(em, new Map([...counts].map(([name, all]) => [name, all.length])), now);
  const charged = starts.filter(({ queue }) => lines.get(queue)?.fairness === 'user').map(({ uuid }) => uuid);
  if (charged.length > 0) await chargeShares(em, charged, now);
  return token_in_ms;
}
