import { isGrpcServiceError, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import pLimit from 'p-limit';
import type { AdmittedInstance } from '../commands/admit.ts';
import { finishInstances } from '../commands/finish-instances.ts';
import { ended } from '../core/outcome.ts';
import { isShort } from '../core/run-time.ts';
import type { DispatcherDeps } from './deps.ts';
import type { TemporalLink } from './temporal-link.ts';
import { workflowOptions, workflowType } from './workflow-options.ts';

const AT_ONCE = 16;
const INVALID_ARGUMENT = 3;
/** How long a start that Temporal confirmed is believed before the outbox repeats it. */
const TRUSTED_MS = 30_000;

/**
 * Starts the workflows of admitted instances, some at once. What fails because of Temporal stays `starting` and is tried again from the
 * outbox; what Temporal will never accept fails the instance.
 */
export class WorkflowStarter {
  private readonly deps: DispatcherDeps;
  private readonly link: TemporalLink;
  private readonly limit = pLimit(AT_ONCE);
  private readonly busy = new Map<string, Promise<void>>();
  private readonly confirmed = new Map<string, number>();

  constructor(deps: DispatcherDeps, link: TemporalLink) {
    this.deps = deps;
    this.link = link;
  }

  /** Starts those that are not being started already. Does not wait; see `settled`. */
  start(instances: readonly AdmittedInstance[]): void {
    for (const instance of instances) {
      if (this.busy.has(instance.runid)) continue;
      const done = this.limit(() => this.startOne(instance)).finally(() => this.busy.delete(instance.runid));
      this.busy.set(instance.runid, done);
    }
  }

  /** Whether Temporal confirmed this start a short while ago. */
  isConfirmed(runid: string): boolean {
    return performance.now() - (this.confirmed.get(runid) ?? -Infinity) < TRUSTED_MS;
  }

  /** Resolves when nothing is being started. */
  async settled(): Promise<void> {
    while (this.busy.size > 0) await Promise.all(this.busy.values());
  }

  /** Forgets confirmations that are no longer believed. */
  tidy(): void {
    for (const runid of this.confirmed.keys()) if (!this.isConfirmed(runid)) this.confirmed.delete(runid);
  }

  private async startOne(instance: AdmittedInstance): Promise<void> {
    if (!this.link.up) return;
    const { client, config, engines, local_worker } = this.deps;
    const options = workflowOptions(instance, {
      heartbeat_timeout_s: config.HEARTBEAT_TIMEOUT_S,
      eager: instance.worker === local_worker,
      short: isShort(instance) && engines.byKind(instance.engine)?.on_worker_lost === 'new_instance',
    });
    try {
      await client.withDeadline(Date.now() + 10_000, () => client.workflow.start(workflowType(instance.engine), options));
      this.confirmed.set(instance.runid, performance.now());
    } catch (cause) {
      await this.failed(instance, cause).catch((error: unknown) => {
        this.deps.logger.warn({ err: error, runid: instance.runid }, 'an instance that cannot start could not be ended; tried again');
      });
    }
  }

  private async failed(instance: AdmittedInstance, cause: unknown): Promise<void> {
    if (cause instanceof WorkflowExecutionAlreadyStartedError) {
      this.confirmed.set(instance.runid, performance.now());
      return;
    }
    const text = texts(cause);
    if (/search attribute/i.test(text)) return await this.deps.ensureSearchAttributes();
    if (!isPermanent(cause)) return this.link.failed(cause);
    this.deps.logger.error({ err: cause, runid: instance.runid }, 'Temporal refuses the workflow of an instance');
    const outcome = ended('failed', { code: 'start_refused', message: `Temporal refused the workflow: ${text}` });
    await finishInstances(this.deps.fork(), [{ runid: instance.runid, lease_epoch: null, outcome }], 'dispatcher');
  }
}

function texts(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause ? `${cause.message}: ${texts(cause.cause)}` : cause.message;
}

/** Refused by Temporal as malformed, or never sent because of a mistake of ours. */
function isPermanent(cause: unknown): boolean {
  for (let at = cause; at instanceof Error; at = at.cause) {
    if (isGrpcServiceError(at)) return at.code === INVALID_ARGUMENT;
    if (at instanceof TypeError) return true;
  }
  return false;
}
