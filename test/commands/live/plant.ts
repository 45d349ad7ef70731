import { setTimeout as pause } from 'node:timers/promises';
import { type AdmittedInstance, admit } from '../../../commands/admit.ts';
import { finishInstances } from '../../../commands/finish-instances.ts';
import { refreshRunTimes } from '../../../commands/refresh-run-times.ts';
import { releaseDue } from '../../../commands/release-due.ts';
import { createOrm, type MikroORM } from '../../../entities/orm.ts';
import { type Em, query } from '../../../entities/sql.ts';
import type { TestDatabase } from '../../support/database.ts';
import { claim, outcome } from '../../support/factories.ts';

/** `work_ms`: how long an instance works, by its task's parameters. */
export type PlantOptions = { dispatchers: number; work_ms: (parameters: Record<string, unknown>) => number };

/** What poses as the workers needs no more than this between two looks. */
const POLL_MS = 50;
const BOOKS_EVERY_MS = 1_000;

/**
 * Several dispatchers on one database, each with connections of its own, and work that takes a known time instead of workers: everything but Temporal. Whatever
 * ends wakes all dispatchers, as the notification does.
 */
export class Plant {
  readonly orm: MikroORM;
  private readonly options: PlantOptions;
  private readonly ends = new Set<Promise<void>>();
  private waiting: (() => void)[] = [];
  private running: Promise<void>[] = [];
  private stopped = false;
  private busy = 0;
  private stillness: Promise<void> | null = null;
  private onIdle: (() => void) | null = null;
  /** What went wrong, whichever loop it was. */
  readonly faults: string[] = [];

  private constructor(orm: MikroORM, options: PlantOptions) {
    this.orm = orm;
    this.options = options;
  }

  static async open(db: TestDatabase, options: PlantOptions): Promise<Plant> {
    const plant = new Plant(await createOrm({ url: db.url, pool_max: 2 * options.dispatchers + 6, application_name: 'plant' }), options);
    plant.running = Array.from({ length: options.dispatchers }, (_, n) => plant.dispatch(n === 0));
    return plant;
  }

  em(): Em {
    return this.orm.em.fork() as Em;
  }

  wake(): void {
    for (const go of this.waiting.splice(0)) go();
  }

  /** Does something while nothing else changes: passes and ends under way are waited for, others wait. */
  async still<T>(action: () => Promise<T>): Promise<T> {
    let goOn = (): void => undefined;
    this.stillness = new Promise((resolve) => {
      goOn = resolve;
    });
    if (this.busy > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    return await action().finally(() => {
      this.stillness = null;
      goOn();
    });
  }

  /** Something that changes the database: never while it is to be still. */
  async change(action: () => Promise<void>): Promise<void> {
    while (this.stillness !== null) await this.stillness;
    this.busy += 1;
    await this.guarded(action);
    this.busy -= 1;
    if (this.busy === 0) this.onIdle?.();
  }

  /** Ends when all that was begun has ended. */
  async close(): Promise<void> {
    this.stopped = true;
    this.wake();
    await Promise.all(this.running);
    await Promise.all(this.ends);
    await this.orm.close(true);
  }

  private async dispatch(keeps_books: boolean): Promise<void> {
    for (let books_at = -Infinity; !this.stopped; ) {
      const due = performance.now() - books_at > BOOKS_EVERY_MS;
      if (due) books_at = performance.now();
      await this.change(async () => {
        if (due && keeps_books) await this.keepBooks();
        for (const instance of await admit(this.em(), { record: due })) this.begin(instance);
      });
      await Promise.race([pause(POLL_MS), new Promise<void>((go) => this.waiting.push(go))]);
    }
  }

  private async keepBooks(): Promise<void> {
    // One at a time, as workers do themselves: in one statement they would be locked in no order.
    for (const { id } of await query<{ id: string }>(this.em(), 'select id from workers'))
      await query(this.em(), 'update workers set heartbeat_at = now() where id = $1', [id]);
    await releaseDue(this.em());
    await refreshRunTimes(this.em());
  }

  /** Works on an instance that was admitted. */
  begin(instance: AdmittedInstance): void {
    const end = this.work(instance).finally(() => this.ends.delete(end));
    this.ends.add(end);
  }

  private async work(instance: AdmittedInstance): Promise<void> {
    let parameters: Record<string, unknown> = {};
    await this.change(async () => {
      parameters = (await claim(this.em(), instance))?.parameters ?? {};
    });
    await pause(this.options.work_ms(parameters));
    const item = { runid: instance.runid, lease_epoch: 1, outcome: outcome('completed') };
    await this.change(async () => void (await finishInstances(this.em(), [item], 'worker:plant')));
    this.wake();
  }

  private async guarded(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      this.faults.push(`${code ?? ''} ${message}`);
    }
  }
}

/** Deadlocks that PostgreSQL has counted in this database. */
export async function deadlocks(em: Em): Promise<number> {
  const rows = await query<{ n: number }>(em, 'select deadlocks::int4 as n from pg_stat_database where datname = current_database()');
  return rows[0]?.n ?? -1;
}
