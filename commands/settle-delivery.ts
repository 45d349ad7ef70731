import { createHash } from 'node:crypto';
import { type Attempt, lanePauseS, nextAttemptAt } from '../core/delivery.ts';
import { type Em, query } from '../entities/sql.ts';
import { notifyUser } from './enqueue-delivery.ts';
import type { ClaimedDelivery } from './send-deliveries.ts';

/**
 * Stores how an attempt ended and when the next one is, what that says about its target, and tells the owner of one that is given up. An attempt that outlived its lease,
 * so that another one was begun, says nothing unless it got through.
 * @returns the delivery's new state; null: it is another's by now
 */
export async function settleDelivery(em: Em, delivery: ClaimedDelivery, attempt: Attempt): Promise<string | null> {
  const next_at = attempt.result === 'again' ? nextOf(delivery, attempt) : null;
  const state = attempt.result === 'delivered' ? 'delivered' : next_at === null ? 'dead' : 'waiting';
  const { id, attempts } = delivery;
  const { code, detail, accepted } = attempt;
  const values = [
    id,
    attempts,
    state,
    next_at && new Date(next_at).toISOString(),
    code,
    detail,
    accepted ? JSON.stringify({ accepted }) : '{}',
  ];
  return await em.transactional(async (tx) => {
    const [stored] = await query<{ state: string }>(tx as Em, SETTLE, values);
    if (!stored) return null;
    await noteTarget(tx as Em, delivery.lane, attempt);
    if (state === 'dead') await tellDead(tx as Em, delivery);
    return stored.state;
  });
}

const nextOf = ({ attempts, give_up_at }: ClaimedDelivery, { retry_after_s }: Attempt): number | null =>
  nextAttemptAt({ attempts, now: Date.now(), give_up_at, random: Math.random() }, retry_after_s);

const SETTLE = `update deliveries set state = $3, next_at = $4, code = $5, detail = $6, target = target || $7::jsonb, ended_at = case when $3 <> 'waiting' then clock_timestamp() end
  where id = $1 and state = 'waiting' and (attempts = $2 or $3 = 'delivered') returning state`;

/** A target that answers is well; one that fails by itself is counted, and left alone when it asks for it or has failed too often. */
async function noteTarget(em: Em, lane: string, { result, blames, retry_after_s }: Attempt): Promise<void> {
  if (result === 'delivered') await query(em, WELL, [lane]);
  if (blames !== 'target') return;
  const [row] = await query<{ failures: number }>(em, ILL, [lane]);
  const pause_s = lanePauseS(row?.failures ?? 1, retry_after_s);
  if (pause_s > 0) await query(em, PAUSE, [lane, pause_s]);
}

const WELL = `update delivery_lanes set failures = 0, paused_until = null where name = $1 and (failures > 0 or paused_until is not null)`;
const ILL = `insert into delivery_lanes (name, failures) values ($1, 1) on conflict (name) do update set failures = delivery_lanes.failures + 1 returning failures`;
const PAUSE = `update delivery_lanes set paused_until = greatest(paused_until, clock_timestamp() + make_interval(secs => $2)) where name = $1`;

/** Once a day, target and owner, not once a message. */
async function tellDead(em: Em, { user_id, lane, channel, id }: ClaimedDelivery): Promise<void> {
  const day = new Date().toISOString().slice(0, 10);
  const key = `dead_${day}_${createHash('sha256').update(lane).digest('hex').slice(0, 32)}`;
  const title = channel === 'email' ? 'Mail could not be delivered' : `Webhooks to ${lane} could not be delivered`;
  const text =
    'At least one message of today was given up; the list of deliveries with state dead says which and why, and each can be sent again.';
  const notice = { key, user_id, source_type: 'delivery', source_id: id, message: { type: 'delivery.dead', title, text, data: {} } };
  await notifyUser(em, { notice, severity: 'warning' });
}
