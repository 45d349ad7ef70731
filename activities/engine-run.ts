import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { appendLogs } from '../commands/append-logs.ts';
import type { Claim } from '../commands/claim-instance.ts';
import type { Engine, EngineContext, StopReason } from '../engines/define-engine.ts';
import type { ActivityDeps, Lease } from './deps.ts';
import { fenced } from './fenced.ts';
import { logStart } from './log-start.ts';
import { LogWriter } from './log-writer.ts';
import { insist } from './patience.ts';
import { SecretMask } from './secret-mask.ts';

const LONGEST_TIMER_MS = 2 ** 31 - 1;

export type OpenRun = { deps: ActivityDeps; claim: Claim; engine: Engine; execution: number };

/** One engine at work on one instance: its abort signal, time-out, lease, log and folder, from claim to end. */
export class EngineRun {
  readonly claim: Claim;
  readonly engine: Engine;
  readonly execution: number;
  readonly deps: ActivityDeps;
  readonly lease: Lease;
  readonly mask = new SecretMask();
  /** Why the run was told to stop; null while it was not. */
  stopped: StopReason | null = null;
  /** Seconds that the work gets to end by itself once it was told to stop; null: as the engine likes. */
  grace_s: number | null = null;
  private readonly controller = new AbortController();
  private readonly deadline: number;
  private timer: NodeJS.Timeout | null = null;
  private writer: LogWriter | null = null;

  constructor({ deps, claim, engine, execution }: OpenRun) {
    this.deps = deps;
    this.claim = claim;
    this.engine = engine;
    this.execution = execution;
    this.lease = {
      runid: claim.runid,
      lease_epoch: execution,
      progress: 0,
      note: null,
      stop: (reason, grace_s) => this.stop(reason, grace_s),
      abandon: () => this.abandon(),
    };
    this.deadline = performance.now() + Math.max(0, claim.timeout - claim.age_s) * 1000;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get folder(): string {
    return path.join(this.deps.data_dir, 'runs', this.claim.runid);
  }

  private get hasFolder(): boolean {
    return this.engine.uses_folder !== false;
  }

  /** Takes up the lease, starts the clock and prepares folder and log. Undone by `close`. */
  async open(): Promise<EngineContext> {
    this.deps.leases.add(this.lease);
    this.armTimeout();
    if (this.hasFolder) await mkdir(this.folder, { recursive: true, mode: 0o700 });
    this.writer = new LogWriter({
      start: await logStart(this.deps.fork(), this.claim),
      cap_bytes: this.deps.log_cap_bytes,
      mask: this.mask,
      append: (lines, cut) => this.append({ lines, cut }),
      on_refused: (cause) => this.refused(cause),
    });
    return this.context(this.writer);
  }

  stop(reason: StopReason, grace_s: number | null = null): void {
    if (this.stopped) return;
    this.stopped = reason;
    this.grace_s = grace_s;
    this.controller.abort(reason);
  }

  /** The engine is to undo its work as after a cancellation, while the instance counts as lost. */
  private abandon(): void {
    if (this.stopped) return;
    this.stopped = 'superseded';
    this.controller.abort('cancel');
  }

  /** Stores the rest of the log. @returns its last 64 KB; null without output */
  async closeLog(complete: boolean): Promise<string | null> {
    return (await this.writer?.close(complete)) ?? null;
  }

  /** @param keep_folder a later execution goes on with what is in it */
  async close(keep_folder: boolean): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.deps.leases.remove(this.claim.runid);
    if (keep_folder || !this.hasFolder) return;
    await rm(this.folder, { recursive: true, force: true }).catch((cause: unknown) => {
      this.deps.logger.warn({ err: cause, runid: this.claim.runid }, 'the folder of an instance could not be removed');
    });
  }

  /** One timer holds at most 24 days; longer time-outs take several. */
  private armTimeout(): void {
    const left = this.deadline - performance.now();
    if (left <= 0) this.timer = setTimeout(() => this.stop('timeout'), 0);
    else this.timer = setTimeout(() => this.armTimeout(), Math.min(left, LONGEST_TIMER_MS));
  }

  private async append(batch: Pick<Parameters<typeof appendLogs>[1], 'lines' | 'cut'>): Promise<boolean> {
    const { runid } = this.claim;
    const write = () => appendLogs(this.deps.fork(), { runid, lease_epoch: this.execution, ...batch });
    return await insist(write, { what: 'store log lines', logger: this.deps.logger });
  }

  /** Another owner: the lease keeper sees it within a second and knows what to do. A fault: the work goes on without its log. */
  private refused(cause: unknown): void {
    if (cause) this.deps.logger.error({ err: cause, runid: this.claim.runid }, 'log lines cannot be stored; the rest of this log is lost');
  }

  private context(log: LogWriter): EngineContext {
    const { claim, lease } = this;
    return {
      signal: this.signal,
      graceS: () => this.grace_s,
      log,
      progress: (percent, note) => {
        lease.progress = Math.min(100, Math.max(0, Number.isFinite(percent) ? percent : 0));
        lease.note = note ?? null;
      },
      instance: {
        runid: claim.runid,
        task_id: claim.task_id,
        user_id: claim.user_id,
        template: claim.template,
        attempt: claim.attempt,
        execution: this.execution,
        cpu: claim.cpu,
        memory_mb: claim.memory_mb,
        timeout: claim.timeout,
      },
      folder: this.folder,
      em: () => this.deps.fork(),
      fenced: (work) => fenced(this.deps.fork(), { runid: claim.runid, execution: this.execution }, work),
      artifacts: this.deps.artifacts,
      secret: (name, host) => this.secret(name, host),
      logger: this.deps.logger.child({ runid: claim.runid, task_id: claim.task_id, engine: claim.engine }),
    };
  }

  private async secret(name: string, host: string | null): Promise<string> {
    const value = await this.deps.secret({ name, user_id: this.claim.user_id, host });
    this.mask.add(value);
    return value;
  }
}
