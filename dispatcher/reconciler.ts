import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import pLimit from 'p-limit';
import { finishInstances } from '../commands/finish-instances.ts';
import { ended } from '../core/outcome.ts';
import { query } from '../entities/sql.ts';
import { type ClosedWorkflow, closedOutcome } from './closed-outcome.ts';
import type { DispatcherDeps } from './deps.ts';
import { withLock } from './held-lock.ts';
import { RecurringWork } from './recurring-work.ts';
import { endStrayWorkflows } from './stray-workflows.ts';
import type { TemporalLink } from './temporal-link.ts';

/** A live instance that is old enough for both stores to agree about it. */
type Live = { runid: string; workflow_id: string; temporal_run_id: string | null; status: 'starting' | 'running'; beating: boolean };

const AT_ONCE = 8;
const PER_PASS = 500;
/** How long an instance with a fresh heartbeat is believed without asking Temporal again. */
const TRUSTED_MS = 60_000;
const LONGEST_GRACE_S = 30;

const LIVE = `
select runid, workflow_id, temporal_run_id, status, coalesce(heartbeat_at > clock_timestamp() - interval '15 s', false) as beating
from instances where status in ('starting', 'running') and created_at < clock_timestamp() - make_interval(secs => $1)
order by created_at`;

/**
 * Compares both stores, oldest instances first: closed in Temporal but live here is ended from what Temporal says, unknown there is started
 * again or lost, final here but open there is terminated. One dispatcher at a time does it. While Temporal is away nothing is freed.
 */
export class Reconciler extends RecurringWork {
  private readonly deps: DispatcherDeps;
  private readonly link: TemporalLink;
  private readonly limit = pLimit(AT_ONCE);
  private readonly seen_open = new Map<string, number>();

  constructor(deps: DispatcherDeps, link: TemporalLink) {
    super({ every_ms: deps.config.RECONCILE_EVERY_S * 1000, failure: 'reconciling was interrupted', logger: deps.logger });
    this.deps = deps;
    this.link = link;
  }

  protected async work(): Promise<void> {
    if (!this.link.up) return;
    await withLock(this.deps.database_url, 'orchestrator.reconciler', async () => {
      await this.checkLive();
      await endStrayWorkflows(this.deps, this.graceS());
    });
  }

  private graceS(): number {
    return Math.min(LONGEST_GRACE_S, this.deps.config.LOST_AFTER_S / 2);
  }

  private async checkLive(): Promise<void> {
    const live = await query<Live>(this.deps.fork(), LIVE, [this.graceS()]);
    const now = performance.now();
    const due = live.filter(({ runid, beating }) => !beating || now - (this.seen_open.get(runid) ?? -Infinity) > TRUSTED_MS);
    const workflows = [...Map.groupBy(due, ({ workflow_id }) => workflow_id)].slice(0, PER_PASS);
    await Promise.all(workflows.map(([workflow_id, instances]) => this.limit(() => this.check(workflow_id, instances))));
    const runids = new Set(live.map(({ runid }) => runid));
    for (const runid of this.seen_open.keys()) if (!runids.has(runid)) this.seen_open.delete(runid);
  }

  /** The live instances of one workflow: one, or those of a wave. */
  private async check(workflow_id: string, instances: readonly Live[]): Promise<void> {
    const closed = await lookUp(this.deps.client, workflow_id);
    if (closed === 'open') {
      for (const { runid } of instances) this.seen_open.set(runid, performance.now());
    } else if (closed !== 'unknown') await this.end(instances, closedOutcome(closed));
    else {
      const running = instances.filter(({ status }) => status === 'running');
      await this.end(running, ended('lost', { code: 'workflow_unknown', message: 'Temporal does not know the workflow any more' }));
    }
  }

  private async end(instances: readonly Live[], outcome: ReturnType<typeof closedOutcome>): Promise<void> {
    const items = instances.map(({ runid }) => ({ runid, lease_epoch: null, outcome }));
    const done = await finishInstances(this.deps.fork(), items, 'reconciler');
    for (const { runid } of done) this.deps.logger.warn({ runid, code: outcome.code }, 'instance ended by the reconciler');
  }
}

/** What Temporal has under a workflow id. A `starting` instance that is unknown there is the outbox's business. */
async function lookUp(client: Client, workflow_id: string): Promise<ClosedWorkflow | 'open' | 'unknown'> {
  const handle = client.workflow.getHandle(workflow_id);
  try {
    const { status } = await handle.describe();
    if (status.name === 'RUNNING' || status.name === 'PAUSED') return 'open';
    return { status: status.name, failure: status.name === 'FAILED' ? await failureOf(handle) : null };
  } catch (cause) {
    if (cause instanceof WorkflowNotFoundError) return 'unknown';
    throw cause;
  }
}

async function failureOf(handle: ReturnType<Client['workflow']['getHandle']>): Promise<string | null> {
  try {
    await handle.result();
    return null;
  } catch (error) {
    const cause = error instanceof WorkflowFailedError ? error.cause : null;
    return cause instanceof ApplicationFailure ? (cause.type ?? null) : null;
  }
}
