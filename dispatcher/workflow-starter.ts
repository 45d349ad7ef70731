import { isGrpcServiceError, WorkflowExecutionAlreadyStartedError, type WorkflowStartOptions } from '@temporalio/client';
import pLimit from 'p-limit';
import type { AdmittedInstance } from '../commands/admit.ts';
import { finishInstances } from '../commands/finish-instances.ts';
import { ended } from '../core/outcome.ts';
import { isShort } from '../core/run-time.ts';
import { WAVE_MOST, WAVE_USUAL } from '../core/waves.ts';
import type { DispatcherDeps } from './deps.ts';
import type { TemporalLink } from './temporal-link.ts';
import { isWave, type StartSetting, waveOptions, workflowOptions, workflowType } from './workflow-options.ts';

const AT_ONCE = 16;
const INVALID_ARGUMENT = 3;
/** How long a start that Temporal confirmed is believed before the outbox repeats it. */
const TRUSTED_MS = 30_000;

/** The instances of one workflow: one, or those of a wave. */
type Members = readonly [AdmittedInstance, ...AdmittedInstance[]];

/**
 * Starts the workflows of admitted instances, some at once. What fails because of Temporal stays `starting` and is tried again from the
 * outbox; what Temporal will never accept fails the instances.
 */
export class WorkflowStarter {
  private readonly deps: DispatcherDeps;
  private readonly link: TemporalLink;
  private readonly limit = pLimit(AT_ONCE);
  private readonly busy = new Map<string, Promise<void>>();
  private readonly confirmed = new Map<string, number>();
  private searchable = WAVE_MOST;

  constructor(deps: DispatcherDeps, link: TemporalLink) {
    this.deps = deps;
    this.link = link;
  }

  /** Starts those that are not being started already. Does not wait; see `settled`. */
  start(instances: readonly AdmittedInstance[]): void {
    for (const [workflow_id, members] of Map.groupBy(instances, (instance) => instance.workflow_id)) {
      if (this.busy.has(workflow_id)) continue;
      const done = this.limit(() => this.startOne(members as unknown as Members)).finally(() => this.busy.delete(workflow_id));
      this.busy.set(workflow_id, done);
    }
  }

  /** Whether Temporal confirmed the start of this workflow a short while ago. */
  isConfirmed(workflow_id: string): boolean {
    return performance.now() - (this.confirmed.get(workflow_id) ?? -Infinity) < TRUSTED_MS;
  }

  /** Resolves when nothing is being started. */
  async settled(): Promise<void> {
    while (this.busy.size > 0) await Promise.all(this.busy.values());
  }

  /** Forgets confirmations that are no longer believed. */
  tidy(): void {
    for (const workflow_id of this.confirmed.keys()) if (!this.isConfirmed(workflow_id)) this.confirmed.delete(workflow_id);
  }

  /** @param searchable of a wave, the tasks that Temporal is told of */
  private async startOne(members: Members, searchable = this.searchable): Promise<void> {
    if (!this.link.up) return;
    const [{ workflow_id }] = members;
    const { type, options } = this.workflowOf(members, searchable);
    try {
      const started = await this.deps.client.withDeadline(Date.now() + 10_000, () => this.deps.client.workflow.start(type, options));
      this.confirmed.set(workflow_id, performance.now());
      if (started.eagerlyStarted && this.isShort(members[0])) this.begin(members[0], started.firstExecutionRunId);
    } catch (cause) {
      await this.failed(members, cause, searchable).catch((error: unknown) => {
        this.deps.logger.warn({ err: error, workflow_id }, 'instances that cannot start could not be ended; tried again');
      });
    }
  }

  private begin(first: AdmittedInstance, temporal_run_id: string): void {
    const { workflow_id, runid } = first;
    this.deps.local_worker?.begin({ workflow_id, temporal_run_id, runid: isWave(first) ? null : runid });
  }

  private isShort(instance: AdmittedInstance): boolean {
    return isShort(instance) && this.deps.engines.byKind(instance.engine)?.on_worker_lost === 'new_instance';
  }

  private workflowOf(members: Members, searchable: number): { type: string; options: WorkflowStartOptions } {
    const [first] = members;
    const { config, local_worker } = this.deps;
    const setting: StartSetting = {
      heartbeat_timeout_s: config.HEARTBEAT_TIMEOUT_S,
      eager: first.worker === local_worker?.id,
      short: this.isShort(first),
      searchable,
    };
    if (isWave(first)) return { type: 'wave', options: waveOptions(members, setting) };
    return { type: workflowType(first.engine), options: workflowOptions(first, setting) };
  }

  /** For a Temporal whose limits are smaller than the size of waves was set for. */
  private async startLessSearchable(members: Members): Promise<void> {
    if (this.searchable > WAVE_USUAL)
      this.deps.logger.warn(
        `Temporal refuses the uuids of ${members.length} tasks in one search attribute: only the first ${WAVE_USUAL} tasks of each wave can be found by OrchTaskIds. Lower WAVE_SIZE, or raise frontend.searchAttributesSizeOfValueLimit`,
      );
    this.searchable = WAVE_USUAL;
    await this.startOne(members);
  }

  private async failed(members: Members, cause: unknown, searchable: number): Promise<void> {
    const [{ workflow_id }] = members;
    if (cause instanceof WorkflowExecutionAlreadyStartedError) {
      this.confirmed.set(workflow_id, performance.now());
      return;
    }
    const text = texts(cause);
    if (/exceeds size limit/i.test(text) && isWave(members[0]) && searchable > WAVE_USUAL) return await this.startLessSearchable(members);
    if (/search attribute/i.test(text)) return await this.deps.ensureSearchAttributes();
    if (!isPermanent(cause)) return this.link.failed(cause);
    this.deps.logger.error({ err: cause, workflow_id }, 'Temporal refuses a workflow');
    const outcome = ended('failed', { code: 'start_refused', message: `Temporal refused the workflow: ${text}` });
    const items = members.map(({ runid }) => ({ runid, lease_epoch: null, outcome }));
    await finishInstances(this.deps.fork(), items, 'dispatcher');
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
