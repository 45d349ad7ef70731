import { EngineError } from '../core/errors.ts';
import { checkZone } from '../core/zones.ts';
import { findCamera } from '../entities/camera.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Camera, CameraChange, CameraCreation } from '../schemas/camera.ts';
import { audited } from './audited.ts';
import { type CommandContext, seesAll } from './context.ts';

const scopeOf = (ctx: CommandContext) => ({ user_id: seesAll(ctx.actor) ? null : ctx.actor.id });

export const noCamera = (id: string): EngineError => new EngineError('not_found', `camera "${id}": there is none`);

/** @throws EngineError not_found, also for others' cameras */
export async function visibleCamera(ctx: CommandContext, id: string): Promise<Camera> {
  const camera = await findCamera(ctx.em, id, scopeOf(ctx));
  if (!camera) throw noCamera(id);
  return camera;
}

/**
 * Makes a camera, which the first detections would make too, to give it a name and a time zone.
 * @throws EngineError invalid_input: no such time zone; conflict: the id is taken
 */
export async function createCamera(ctx: CommandContext, { id, name, timezone }: CameraCreation): Promise<Camera> {
  checkZone(timezone);
  return await audited(ctx, { action: 'camera.create', subject_type: 'camera', subject_id: id }, async (em) => {
    const sql = 'insert into cameras (id, name, user_id, timezone) values ($1, $2, $3, $4) on conflict do nothing returning id';
    const made = await query(em, sql, [id, name ?? id, ctx.actor.id, timezone]);
    if (made.length === 0) throw new EngineError('conflict', `camera "${id}": exists already`);
    const camera = (await findCamera(em, id, { user_id: null })) as Camera;
    return { before: null, after: { id, name: camera.name, timezone }, result: camera };
  });
}

async function lockCamera(em: Em, ctx: CommandContext, id: string): Promise<Camera> {
  await query(em, 'select 1 from cameras where id = $1 for no key update', [id]);
  const camera = await findCamera(em, id, scopeOf(ctx));
  if (!camera) throw noCamera(id);
  return camera;
}

/** @throws EngineError invalid_input: no such time zone; not_found */
export async function changeCamera(ctx: CommandContext, id: string, change: CameraChange): Promise<Camera> {
  if (change.timezone !== undefined) checkZone(change.timezone);
  return await audited(ctx, { action: 'camera.change', subject_type: 'camera', subject_id: id }, async (em) => {
    const { name, timezone } = await lockCamera(em, ctx, id);
    await query(em, 'update cameras set name = coalesce($2, name), timezone = coalesce($3, timezone) where id = $1', [
      id,
      change.name ?? null,
      change.timezone ?? null,
    ]);
    const camera = (await findCamera(em, id, { user_id: null })) as Camera;
    return { before: { name, timezone }, after: { name: camera.name, timezone: camera.timezone }, result: camera };
  });
}

/**
 * Removes a camera of which nothing is kept (any more).
 * @throws EngineError not_found; conflict: there are sessions, statistics or alerts of it
 */
export async function deleteCamera(ctx: CommandContext, id: string): Promise<void> {
  await audited(ctx, { action: 'camera.delete', subject_type: 'camera', subject_id: id }, async (em) => {
    const { name, timezone } = await lockCamera(em, ctx, id);
    const [kept] = await query<{ kept: boolean }>(em, KEPT, [id]);
    if (kept?.kept)
      throw new EngineError('conflict', `camera "${id}": sessions, statistics or alerts of it are kept; it goes when they are gone`);
    await query(em, 'delete from cameras where id = $1', [id]);
    return { before: { name, timezone }, after: null, result: undefined };
  });
}

const KEPT = `select exists (select from detection_sessions where camera_id = $1) or exists (select from statistics_hourly where camera_id = $1)
  or exists (select from alert_history where camera_id = $1) as kept`;
