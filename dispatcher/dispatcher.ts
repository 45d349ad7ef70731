import { setTimeout as pause } from 'node:timers/promises';
import { admit, type Gathering, startable } from '../commands/admit.ts';
import { forgetIdle } from '../commands/forget-idle.ts';
import { refreshRunTimes } from '../commands/refresh-run-times.ts';
import { releaseDue } from '../commands/release-due.ts';
import { sampleShares } from '../commands/user-shares.ts';
import { WAVE_MOST, WAVE_USUAL } from '../core/waves.ts';
import { createListener, type Listener } from '../entities/notifier.ts';
import { Alarm } from './alarm.ts';
import { sweepClocks } from './clocks.ts';
import type { DispatcherDeps } from './deps.ts';
import { TemporalLink } from './temporal-link.ts';
import { WorkflowStarter } from './workflow-starter.ts';

const PASS_LIMIT = WAVE_MOST;
const RUN_TIMES_EVERY_MS = 5_000;
const OUTBOX_EVERY_MS = 2_000;
const OUTBOX_AGE_MS = 2_000;
const OUTBOX_LIMIT = 1_000;
/** Between two passes that find work: under load each then admits several tasks for the price of one. An idle dispatcher passes at once. */
const BREATH_MS = 15;

/**
 * Turns what waits into what runs. Level-triggered: each pass computes from committed rows what could start now, so a lost notification
 * delays a task by one poll at most. Any number of dispatchers may run; the database decides between them.
 */
export class Dispatcher {
  readonly link: TemporalLink;
  readonly starter: WorkflowStarter;
  private readonly deps: DispatcherDeps;
  private listener: Listener | null = null;
  private timer: NodeJS.Timeout | null = null;
  private passing: Promise<void> | null = null;
  private dirty = false;
  private poll_due = true;
  private stopped = false;
  private database_up = true;
  private outbox_at = -Infinity;
  private run_times_at = -Infinity;
  private readonly wake = new Alarm(() => this.poke());
  private admitted_at = -Infinity;
  private readonly waves: Gathering | null;

  constructor(deps: DispatcherDeps) {
    this.deps = deps;
    this.waves = deps.config.WAVES ? { held: new Map(), wait_ms: null, most: deps.config.WAVE_SIZE ?? WAVE_USUAL } : null;
    this.link = new TemporalLink(deps.client, deps.logger);
    this.starter = new WorkflowStarter(deps, this.link);
  }

  start(): void {
    const { database_url, logger, config } = this.deps;
    this.listener = createListener({ url: database_url, channels: ['dispatch'], on_notify: () => this.poke(), logger });
    this.timer = setInterval(() => this.poll(), config.POLL_EVERY_S * 1000);
    this.poll();
  }

  /** Ends after the pass and the starts under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearInterval(this.timer);
    this.wake.stop();
    await this.listener?.stop();
    await this.passing;
    await this.starter.settled();
  }

  /** Something may start now. Cheap: many pokes during a pass are one pass after it. */
  poke(): void {
    if (this.stopped) return;
    this.dirty = true;
    this.passing ??= this.passes().finally(() => {
      this.passing = null;
    });
  }

  /** One pass; everything that can start now is being started when it resolves. Rejects while the database is away. */
  async tick(): Promise<void> {
    const polled = this.poll_due;
    if (polled) await this.onPoll();
    if (!(await this.link.ready())) return;
    for (let more = true; more && this.link.up && !this.stopped; ) {
      const { LOST_AFTER_S: lost_after_s } = this.deps.config;
      const admitted = await admit(this.deps.fork(), {
        limit: PASS_LIMIT,
        lost_after_s,
        record: polled,
        waves: this.waves,
        on_token: (in_ms) => this.wake.in(in_ms),
      });
      this.starter.start(admitted);
      const wait_ms = this.waves?.wait_ms ?? null;
      if (wait_ms !== null) this.wake.in(wait_ms);
      if (admitted.length > 0 || wait_ms !== null) this.admitted_at = performance.now();
      more = admitted.length >= PASS_LIMIT;
    }
    await this.repeatStarts();
  }

  /** What is due by the clock rather than by an event. */
  private async onPoll(): Promise<void> {
    this.poll_due = false;
    await releaseDue(this.deps.fork());
    await sweepClocks(this.deps, this.link.seen_s);
    if (performance.now() - this.run_times_at < RUN_TIMES_EVERY_MS) return;
    this.run_times_at = performance.now();
    await refreshRunTimes(this.deps.fork());
    await sampleShares(this.deps.fork());
    await forgetIdle(this.deps.fork());
  }

  private poll(): void {
    this.poll_due = true;
    this.poke();
  }

  private async passes(): Promise<void> {
    while (this.dirty && !this.stopped) {
      await this.breathe();
      this.dirty = false;
      try {
        await this.tick();
        this.note(true, null);
      } catch (cause) {
        this.note(false, cause);
      }
    }
  }

  /** Under load, instances end every few milliseconds: what they free is given out together. */
  private async breathe(): Promise<void> {
    const left = this.admitted_at + BREATH_MS - performance.now();
    if (left > 0) await pause(left);
  }

  /** The outbox: instances that hold resources but whose workflow nobody has seen begin. */
  private async repeatStarts(): Promise<void> {
    if (performance.now() - this.outbox_at < OUTBOX_EVERY_MS) return;
    this.outbox_at = performance.now();
    const waiting = await startable(this.deps.fork(), { older_than_ms: OUTBOX_AGE_MS, limit: OUTBOX_LIMIT });
    this.starter.start(waiting.filter(({ workflow_id }) => !this.starter.isConfirmed(workflow_id)));
    this.starter.tidy();
  }

  private note(up: boolean, cause: unknown): void {
    if (up === this.database_up) return;
    this.database_up = up;
    if (up) this.deps.logger.info('dispatcher: the database answers again');
    else this.deps.logger.warn({ err: cause }, 'dispatcher: a pass failed; it is repeated with each poll');
  }
}
