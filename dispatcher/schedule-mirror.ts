import { createHash } from 'node:crypto';
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type ScheduleOptions,
  type ScheduleOptionsStartWorkflowAction,
  ScheduleOverlapPolicy,
  type ScheduleUpdateOptions,
} from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import pLimit from 'p-limit';
import type { RuleText } from '../core/occurrences.ts';
import { jitterOf } from '../core/placeholders.ts';
import { type CronFireInput, ORCHESTRATOR_QUEUE } from '../core/workflow-contract.ts';
import { type Em, query } from '../entities/sql.ts';
import type { DispatcherDeps } from './deps.ts';
import { withLock } from './held-lock.ts';
import { RecurringWork } from './recurring-work.ts';
import { specOf } from './schedule-spec.ts';
import type { TemporalLink } from './temporal-link.ts';
import { clip } from './workflow-options.ts';

const LOOK_EVERY_MS = 1_000;
const COMPARE_EVERY_MS = 60_000;
const AT_ONCE = 8;
const PREFIX = 'cron/';

type Row = RuleText & {
  id: string;
  name: string;
  status: 'active' | 'paused' | 'ended';
  jitter_s: number;
  start_at: string | null;
  end_at: string | null;
  deleted: boolean;
  version: string;
};

const COLUMNS = `id, name, status, cron, seconds, timezone, dst_gap, dst_overlap, jitter_s, start_at, end_at, deleted_at is not null as deleted,
  updated_at::text as version`;

/**
 * Keeps Temporal's Schedules in line with our rows, which are the truth: what changed within a second, everything compared at the start and
 * each minute, so that it does not matter which of the two was lost. One dispatcher at a time does it. A Schedule says in its note which
 * content it was made from, and in its memo which database it belongs to.
 */
export class ScheduleMirror extends RecurringWork {
  private readonly deps: DispatcherDeps;
  private readonly link: TemporalLink;
  private readonly limit = pLimit(AT_ONCE);
  private compared_at = -Infinity;

  constructor(deps: DispatcherDeps, link: TemporalLink) {
    super({ every_ms: LOOK_EVERY_MS, failure: 'schedules could not be compared with Temporal; tried again', logger: deps.logger });
    this.deps = deps;
    this.link = link;
  }

  /** Everything is compared at the next look. */
  forget(): void {
    this.compared_at = -Infinity;
  }

  protected async work(): Promise<void> {
    if (!this.link.up) return;
    const whole = performance.now() - this.compared_at >= COMPARE_EVERY_MS;
    const changed = await query(this.deps.fork(), 'select 1 from schedules where mirror_hash is null limit 1');
    if (!whole && changed.length === 0) return;
    const mine = await withLock(this.deps.database_url, 'orchestrator.schedules', () => this.align(whole));
    if (whole && mine) this.compared_at = performance.now();
  }

  private async align(whole: boolean): Promise<void> {
    const database = await databaseMark(this.deps.fork());
    if (whole) await this.forgetDifferent(database);
    const rows = await query<Row>(this.deps.fork(), `select ${COLUMNS} from schedules where mirror_hash is null order by id limit 2000`);
    await Promise.all(rows.map((row) => this.limit(() => this.alignOne(row, database))));
  }

  /** Marks rows whose Schedule is missing or different, and removes Schedules of this database that have no row. */
  private async forgetDifferent(database: string): Promise<void> {
    const sql = `select ${COLUMNS} from schedules where deleted_at is null or mirror_hash = 'failed'`;
    const all = await query<Row>(this.deps.fork(), sql);
    const rows = all.filter(({ deleted }) => !deleted);
    const expected = new Map(rows.map((row) => [PREFIX + row.id, readableNote(row, database)]));
    const found = new Set<string>();
    for await (const { scheduleId, state, memo } of this.deps.client.schedule.list()) {
      if (memo?.database !== database) continue;
      if (expected.has(scheduleId) && expected.get(scheduleId) === state.note) found.add(scheduleId);
      if (!expected.has(scheduleId)) await this.removeStray(scheduleId);
    }
    const different = all.filter(({ id }) => !found.has(PREFIX + id)).map(({ id }) => id);
    await query(this.deps.fork(), 'update schedules set mirror_hash = null where id = any($1::uuid[]) and mirror_hash is not null', [
      different,
    ]);
  }

  private async removeStray(id: string): Promise<void> {
    const sql = 'select 1 from schedules where id = $1 and deleted_at is null';
    const [row] = await query(this.deps.fork(), sql, [id.slice(PREFIX.length)]);
    if (!row) await this.remove(id);
  }

  private async remove(id: string): Promise<void> {
    await this.deps.client.schedule
      .getHandle(id)
      .delete()
      .catch((cause: unknown) => {
        if (!(cause instanceof ScheduleNotFoundError)) throw cause;
      });
  }

  /** What changes while Temporal is told is told again: the row is marked only as it was read. What Temporal refuses is tried each minute. */
  private async alignOne(row: Row, database: string): Promise<void> {
    const told = await (row.deleted ? this.remove(PREFIX + row.id) : this.put(row, database)).then(
      () => (row.deleted ? 'deleted' : noteOf(row, database)),
      (cause: unknown) => {
        this.deps.logger.warn({ err: cause, schedule: row.id }, 'Temporal could not be told of a schedule, which fires all the same');
        return 'failed';
      },
    );
    const sql = `update schedules set mirror_hash = $3 where id = $1 and updated_at::text = $2 and mirror_hash is null`;
    await query(this.deps.fork(), sql, [row.id, row.version, told]);
  }

  private async put(row: Row, database: string): Promise<void> {
    const options = optionsOf(row, database);
    const { schedule } = this.deps.client;
    try {
      await schedule.create(options);
    } catch (cause) {
      if (!(cause instanceof ScheduleAlreadyRunning)) throw cause;
      const handle = schedule.getHandle(options.scheduleId);
      if ((await handle.describe()).state.note === options.state.note) return;
      const { scheduleId: _id, memo: _memo, ...content } = options;
      await handle.update(() => content as ScheduleUpdateOptions<StartWorkflow>);
    }
  }
}

/** Several databases may share one Temporal: each knows its own Schedules by this. */
async function databaseMark(em: Em): Promise<string> {
  const sql = `select system_identifier::text || '/' || current_database() as mark from pg_control_system()`;
  return (await query<{ mark: string }>(em, sql))[0]?.mark ?? '';
}

type StartWorkflow = ScheduleOptionsStartWorkflowAction<Workflow>;
type Options = ScheduleOptions & { state: { paused: boolean; note: string } };

function contentOf(row: Row): Omit<Options, 'state' | 'memo'> {
  const jitter_ms = jitterOf(row.id, row.jitter_s);
  const input: CronFireInput = { schedule_id: row.id, jitter_ms };
  return {
    scheduleId: PREFIX + row.id,
    spec: specOf(row),
    action: {
      type: 'startWorkflow',
      workflowType: 'cronFire',
      workflowId: PREFIX + row.id,
      taskQueue: ORCHESTRATOR_QUEUE,
      args: [input],
      workflowRunTimeout: jitter_ms + 3_600_000,
      staticSummary: clip(`${row.name} (${row.cron} ${row.timezone})`, 200),
    },
    policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL, catchupWindow: '1 minute', pauseOnFailure: false },
  };
}

/** Temporal's own catch-up is kept short: what it misses is found by the sweeper, by the schedule's own rule. */
function noteOf(row: Row, database: string): string {
  const content = JSON.stringify([contentOf(row), row.status, database]);
  const state = row.status === 'active' ? 'as in the database' : row.status;
  return `${state}, content ${createHash('sha256').update(content).digest('hex').slice(0, 16)}`;
}

/** Null for a row whose rule cannot be read, as after an edit by hand: it must not stop the comparison of the others. */
function readableNote(row: Row, database: string): string | null {
  try {
    return noteOf(row, database);
  } catch {
    return null;
  }
}

function optionsOf(row: Row, database: string): Options {
  const state = { paused: row.status !== 'active', note: noteOf(row, database) };
  return { ...contentOf(row), state, memo: { database, name: row.name } };
}
