import type { Lease, Leases } from '../activities/deps.ts';
import { type KeptLease, keepLeases } from '../commands/keep-leases.ts';
import type { Logger } from '../config/logger.ts';
import type { StopReason } from '../engines/define-engine.ts';
import { type Em, query } from '../entities/sql.ts';
import { within } from '../entities/within.ts';

type KeeperOptions = { fork(): Em; boot_id: string; lost_after_s: number; logger: Logger };

const LOOK_MS = 1_000;
const WRITE_MS = 5_000;
/** A database that takes longer counts as out of reach; a dead connection would never answer at all. */
const ANSWER_MS = 5_000;
/** Share of `lost_after` after which a worker that cannot reach the database stops its own work, before others may call it lost. */
const GIVE_UP = 0.75;

/**
 * Asks once a second, for all running instances together, whether they are still ours and which shall stop; every 5 s the same statement
 * writes the heartbeats. Time is monotonic: after a pause of the whole process the first thing done is to ask.
 */
export class LeaseKeeper implements Leases {
  private readonly options: KeeperOptions;
  private readonly leases = new Map<string, Lease>();
  private timer: NodeJS.Timeout | null = null;
  private asking: Promise<void> | null = null;
  private asked_at = 0;
  private written_at = 0;
  private stopped = false;

  constructor(options: KeeperOptions) {
    this.options = options;
  }

  add(lease: Lease): void {
    if (this.leases.size === 0) this.asked_at = performance.now();
    this.leases.set(lease.runid, lease);
    this.arm(LOOK_MS);
  }

  remove(runid: string): void {
    this.leases.delete(runid);
  }

  get size(): number {
    return this.leases.size;
  }

  /** Tells everything that runs here to stop. */
  stopAll(reason: StopReason): void {
    for (const lease of this.leases.values()) lease.stop(reason);
  }

  /** Looks at once; many calls at a time are one look and one after it. */
  poke(): void {
    if (this.leases.size > 0) this.arm(0);
  }

  stop(): void {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
  }

  /** One look at all leases. Never rejects. */
  async tick(): Promise<void> {
    this.asking ??= this.ask().finally(() => {
      this.asking = null;
    });
    await this.asking;
  }

  private arm(delay_ms: number): void {
    if (this.stopped || (this.timer && delay_ms > 0)) return;
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.turn(), delay_ms);
  }

  private async turn(): Promise<void> {
    await this.tick();
    this.timer = null;
    if (this.leases.size > 0) this.arm(LOOK_MS);
  }

  private async ask(): Promise<void> {
    const { fork, boot_id, logger } = this.options;
    const leases = [...this.leases.values()];
    const now = performance.now();
    const write = now - this.written_at >= WRITE_MS;
    try {
      const kept = await within(ANSWER_MS, 'look at leases', keepLeases(fork(), { boot_id, leases, write }));
      this.asked_at = now;
      if (write) this.written_at = now;
      await this.obey(leases, kept);
    } catch (cause) {
      logger.debug({ err: cause }, 'leases could not be looked at');
      this.giveUpWhenLate(leases);
    }
  }

  private async obey(leases: Lease[], kept: KeptLease[]): Promise<void> {
    const ours = new Map(kept.map((lease) => [lease.runid, lease]));
    for (const lease of leases) {
      const own = ours.get(lease.runid);
      if (own?.cancel_requested) lease.stop('cancel', own.cancel_grace_s);
      else if (own?.overdue) lease.stop('total_timeout');
    }
    await this.lose(leases.filter(({ runid }) => !ours.has(runid)));
  }

  /** Those that are live belong to a later execution of this worker, which goes on with their work; the work of the others must go. */
  private async lose(missing: Lease[]): Promise<void> {
    const { fork, logger } = this.options;
    const lost = missing.filter((lease) => this.leases.get(lease.runid) === lease);
    if (lost.length === 0) return;
    const rows = await query<{ runid: string }>(fork(), `select runid from instances where runid = any($1) and status = 'running'`, [
      lost.map(({ runid }) => runid),
    ]);
    const live = new Set(rows.map(({ runid }) => runid));
    for (const lease of lost.filter(({ runid }) => this.leases.has(runid))) {
      logger.warn({ runid: lease.runid }, 'instance is not ours any more; its work here is stopped');
      this.leases.delete(lease.runid);
      if (live.has(lease.runid)) lease.stop('superseded');
      else lease.abandon();
    }
  }

  private giveUpWhenLate(leases: Lease[]): void {
    const silent_s = (performance.now() - this.asked_at) / 1000;
    if (silent_s < this.options.lost_after_s * GIVE_UP) return;
    this.options.logger.error({ silent_s, instances: leases.length }, 'database out of reach for too long; all work here is stopped');
    for (const lease of leases) {
      this.leases.delete(lease.runid);
      lease.abandon();
    }
  }
}
