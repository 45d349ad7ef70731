import type { InstanceReport, WaveReport } from '../core/workflow-contract.ts';
import type { StopReason } from '../engines/define-engine.ts';
import { query } from '../entities/sql.ts';
import type { Work } from './at-work.ts';
import { beginInstance } from './begin-instance.ts';
import type { ActivityDeps } from './deps.ts';

/** Which execution of which wave; see `Execution`. */
export type WaveExecution = { workflow_id: string; execution: number; temporal_run_id: string };

const LIVE = `select runid from instances where workflow_id = $1 and status in ('starting', 'running') order by runid`;

/** The instances of a wave that are not final; an execution that comes later finds fewer. */
export async function liveMembers({ fork }: Pick<ActivityDeps, 'fork'>, workflow_id: string): Promise<string[]> {
  return (await query<{ runid: string }>(fork(), LIVE, [workflow_id])).map(({ runid }) => runid);
}

/**
 * Begins one execution of a wave: all its live instances at once, each with its own time-out, lease, log and end, which wait for none of the others. Its own end comes with
 * that of the last one; it rejects when an instance was interrupted, so that the next execution takes that one up.
 */
export function beginWave(deps: ActivityDeps, { workflow_id, ...execution }: WaveExecution): Work<WaveReport> {
  const members: Work<InstanceReport>[] = [];
  let wanted: StopReason | null = null;
  let ended = 0;
  const stop = (reason: StopReason) => {
    wanted ??= reason;
    for (const member of members) member.stop(reason);
  };
  const run = async (): Promise<WaveReport> => {
    for (const runid of await liveMembers(deps, workflow_id)) members.push(beginInstance(deps, { runid, ...execution }));
    if (wanted) stop(wanted);
    const ends = members.map(({ end }) => end.finally(() => (ended += 1)));
    const settled = await Promise.allSettled(ends);
    const interrupted = settled.find((one) => one.status === 'rejected');
    if (interrupted) throw interrupted.reason;
    return waveReport(settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value.status] : [])));
  };
  return { end: run(), stop, sign: () => ({ ended, of: members.length }) };
}

/** The report of a wave whose instances ended like this. */
export function waveReport(statuses: readonly InstanceReport['status'][]): WaveReport {
  const counts: WaveReport['ended'] = {};
  for (const status of statuses) if (status !== 'going_on') counts[status] = (counts[status] ?? 0) + 1;
  return { status: 'ended', ended: counts };
}
