import { type Em, query } from '../entities/sql.ts';

/** A running instance and the execution that believes to own it; `progress` 0–100. */
export type Lease = { runid: string; lease_epoch: number; progress: number; note: string | null };
/** `cancel_grace_s` null: as the engine likes. `overdue`: the task's total time-out is over. */
export type KeptLease = { runid: string; cancel_requested: boolean; cancel_grace_s: number | null; overdue: boolean };

const KEPT = `i.runid, i.cancel_requested_at is not null as cancel_requested, i.cancel_grace_s, coalesce(i.due_at <= clock_timestamp(), false) as overdue`;

/** `write`: also record heartbeat and progress; without it, only look, which costs no write. */
export type KeepLeases = { boot_id: string; leases: readonly Lease[]; write: boolean };

/**
 * Asks in one statement which of a worker's running instances it still owns, and which of them shall stop.
 * @returns those still owned; one that is missing was superseded or made final by somebody else: stop it, write nothing
 */
export async function keepLeases(em: Em, { boot_id, leases, write }: KeepLeases): Promise<KeptLease[]> {
  if (leases.length === 0) return [];
  const parameters = [leases.map((l) => l.runid), leases.map((l) => l.lease_epoch), boot_id];
  if (!write) return await query<KeptLease>(em, LOOK, parameters);
  return await query<KeptLease>(em, WRITE, [...parameters, leases.map((l) => Math.round(l.progress)), leases.map((l) => l.note)]);
}

const LOOK = `
select ${KEPT}
from unnest($1::uuid[], $2::int4[]) as l(runid, epoch) join instances i on i.runid = l.runid
where i.lease_epoch = l.epoch and i.boot_id = $3 and i.status = 'running'`;

/** Locks in the order of the ids, as whoever ends several instances does. */
const WRITE = `
with own as (
  select i.runid, l.progress, l.note
  from unnest($1::uuid[], $2::int4[], $4::int4[], $5::text[]) as l(runid, epoch, progress, note) join instances i on i.runid = l.runid
  where i.lease_epoch = l.epoch and i.boot_id = $3 and i.status = 'running' order by i.runid for no key update of i)
update instances i set heartbeat_at = clock_timestamp(), progress = greatest(i.progress, least(100, own.progress)), progress_note = own.note
from own where i.runid = own.runid
returning ${KEPT}`;
