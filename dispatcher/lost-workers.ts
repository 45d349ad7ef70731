import { finishInstances } from '../commands/finish-instances.ts';
import { ended } from '../core/outcome.ts';
import { query } from '../entities/sql.ts';
import { within } from '../entities/within.ts';
import type { DispatcherDeps } from './deps.ts';
import { endWorkflows } from './end-workflows.ts';
import { RecurringWork } from './recurring-work.ts';
import type { TemporalLink } from './temporal-link.ts';
import { type WatchedWorker, WorkerWatch } from './worker-watch.ts';

const ANSWER_MS = 5_000;
const LONGEST_LOOK_MS = 2_000;

type Live = { runid: string; workflow_id: string };

const WATCHED = `
select id, boot_id || ' ' || heartbeat_at as sign from workers w
where status <> 'offline' or exists (select 1 from instances i where i.worker = w.id and i.status in ('starting', 'running'))`;

/** Watches the workers and ends the instances of those that are lost, so that their tasks queue again elsewhere. */
export class LostWorkers extends RecurringWork {
  private readonly deps: DispatcherDeps;
  private readonly link: TemporalLink;
  private readonly watch: WorkerWatch;

  constructor(deps: DispatcherDeps, link: TemporalLink) {
    const limit_ms = deps.config.LOST_AFTER_S * 1000;
    const every_ms = Math.min(LONGEST_LOOK_MS, limit_ms / 10);
    super({ every_ms, failure: 'workers could not be looked at', logger: deps.logger });
    this.deps = deps;
    this.link = link;
    this.watch = new WorkerWatch({ limit_ms, gap_ms: every_ms * 3 });
  }

  protected async work(): Promise<void> {
    try {
      const workers = await within(ANSWER_MS, 'look at workers', query<WatchedWorker>(this.deps.fork(), WATCHED));
      if (!(await this.link.ask())) return this.watch.blind();
      for (const id of this.watch.look(workers, performance.now()))
        await this.lose(workers.find((worker) => worker.id === id) as WatchedWorker);
    } catch (cause) {
      this.watch.blind();
      throw cause;
    }
  }

  /** A sign of life that came meanwhile wins: then nothing is done. */
  private async lose({ id, sign }: WatchedWorker): Promise<void> {
    const { fork, logger } = this.deps;
    const silent = await query(
      fork(),
      `update workers set status = case when status = 'drain' then 'drain' else 'offline' end
       where id = $1 and boot_id || ' ' || heartbeat_at = $2 returning id`,
      [id, sign],
    );
    if (silent.length === 0) return;
    const live = await query<Live>(
      fork(),
      `select runid, workflow_id from instances where worker = $1 and status in ('starting', 'running')`,
      [id],
    );
    if (live.length === 0) return;
    logger.warn({ worker: id, instances: live.length }, 'worker is lost; its instances end and their tasks queue again');
    const outcome = ended('lost', {
      code: 'worker_lost',
      message: `worker ${id} has given no sign of life for ${this.deps.config.LOST_AFTER_S} s`,
    });
    await finishInstances(
      fork(),
      live.map(({ runid }) => ({ runid, lease_epoch: null, outcome })),
      'reconciler',
    );
    await endWorkflows(
      this.deps,
      live.map(({ workflow_id }) => workflow_id),
      'worker lost',
    );
  }
}
