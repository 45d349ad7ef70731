import { EngineError } from '../../core/errors.ts';
import type { ImageProgress } from '../../core/image-progress.ts';
import { query } from '../../entities/sql.ts';
import type { EngineContext } from '../define-engine.ts';
import { type ImageOperation, imageNameOf } from './parameters.ts';

/** Which daemon the operation is for. */
export type Daemon = { worker: string; docker_id: string | null };

/** How an operation ended, as its row says. */
export type OperationEnd = {
  status: 'succeeded' | 'failed';
  message: string;
  error_code: string | null;
  image_id: string | null;
  bytes: number;
  layers: number;
  duration_ms: number;
};

const LONGEST = 4_000;
const EVERY_MS = 1_000;

const BEGIN = `
insert into docker_image_log (docker_id, worker, image_name, operation, status, actor, task_id, runid)
select $1, $2, $3, $4, 'started', 'user:' || coalesce((select username from users where id = $7), '?'), $5, $6
on conflict (task_id) do update set status = 'started', ended_at = null, runid = excluded.runid, worker = excluded.worker,
  docker_id = excluded.docker_id, error_code = null, message = '' returning id::float8 as id`;

const END = `
update docker_image_log set status = $2, message = $3, error_code = $4, image_id = coalesce($5, image_id), bytes = $6, layers = $7, duration_ms = $8,
  ended_at = clock_timestamp() where id = $1`;

const cut = (text: string): string => text.replaceAll('\0', '').toWellFormed().slice(0, LONGEST);

/** The row of one operation, from `started` to its end; written only while this execution owns the instance. */
export class OperationLog {
  private readonly context: EngineContext;
  private readonly id: number;
  private noted_at = -Infinity;
  private noting: Promise<void> | null = null;

  private constructor(context: EngineContext, id: number) {
    this.context = context;
    this.id = id;
  }

  /** The row of this task: made, or taken up again where an earlier execution or instance left it. */
  static async begin(daemon: Daemon, parameters: ImageOperation, context: EngineContext): Promise<OperationLog> {
    const { task_id, runid, user_id } = context.instance;
    const rows = await context.fenced((em) =>
      query<{ id: number }>(em, BEGIN, [
        daemon.docker_id,
        daemon.worker,
        imageNameOf(parameters),
        parameters.operation,
        task_id,
        runid,
        user_id,
      ]),
    );
    if (!rows[0]) throw new EngineError('internal', `task ${task_id}: its operation could not be noted`);
    return new OperationLog(context, rows[0].id);
  }

  /** Shows progress, at most once a second, without holding up the work. */
  note(progress: ImageProgress): void {
    this.context.progress(progress.percent, progress.note);
    const now = performance.now();
    if (this.noting || now - this.noted_at < EVERY_MS) return;
    this.noted_at = now;
    this.noting = this.write(progress).finally(() => {
      this.noting = null;
    });
  }

  private async write(progress: ImageProgress): Promise<void> {
    const sql = `update docker_image_log set progress = $2::jsonb, bytes = $3, layers = $4 where id = $1 and status = 'started'`;
    await this.context
      .fenced((em) => query(em, sql, [this.id, JSON.stringify({ ...progress, note: cut(progress.note) }), progress.bytes, progress.layers]))
      .catch((cause: unknown) => this.context.logger.debug({ err: cause }, 'progress of an image operation not stored'));
  }

  async end({ status, message, error_code, image_id, bytes, layers, duration_ms }: OperationEnd): Promise<void> {
    await this.noting;
    await this.context.fenced((em) => query(em, END, [this.id, status, cut(message), error_code, image_id, bytes, layers, duration_ms]));
  }
}
