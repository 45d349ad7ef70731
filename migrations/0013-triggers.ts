/**
 * Each change of a video that somebody may follow becomes an event, in the transaction of the change. Whoever writes locks the task first, so the
 * numbers of a task's events rise in the order of their commits. A scene that was being rendered when its task left `processing` is marked as
 * interrupted. A task that is queued again takes its day's statistics out of the settled ones.
 */
const taskEvents = `create function note_video_task() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if old.status = 'processing' and new.status <> 'processing' then
      update videos set status = 'interrupted' where task_id = new.uuid and status = 'rendering';
    end if;
    if old.status in ('failed', 'cancelled') and new.status <> old.status then
      update statistics set settled = false where date = (new.created_at at time zone 'UTC')::date and settled and not sealed;
    end if;
  end if;
  insert into video_events (task_id, event, data) values (
    new.uuid, case when tg_op = 'INSERT' then 'status' when old.status <> new.status then 'status' else 'progress' end,
    jsonb_build_object('status', new.status, 'progress', new.progress, 'total_scenes', new.total_scenes, 'completed_scenes', new.completed_scenes,
      'error_message', new.error ->> 'message'));
  return null;
end $$`;

const sceneEvents = `create function note_video_scene() returns trigger language plpgsql as $$
begin
  insert into video_events (task_id, event, data) values (
    new.task_id, 'scene', jsonb_build_object('scene_number', new.scene_number, 'status', new.status, 'attempts', new.attempts,
      'duration', new.duration, 'file_size', new.file_size, 'error_message', new.error_message));
  return null;
end $$`;

export const EVENTS = [
  taskEvents,
  sceneEvents,
  `create trigger note_video_insert after insert on tasks for each row when (new.type = 'video') execute function note_video_task()`,
  `create trigger note_video_update after update on tasks for each row when (new.type = 'video' and
    (old.status, old.progress, old.total_scenes, old.completed_scenes) is distinct from
    (new.status, new.progress, new.total_scenes, new.completed_scenes)) execute function note_video_task()`,
  `create trigger note_scene_insert after insert on videos for each row execute function note_video_scene()`,
  `create trigger note_scene_update after update on videos for each row
    when ((old.status, old.attempts) is distinct from (new.status, new.attempts)) execute function note_video_scene()`,
  `create trigger refuse_update before update on video_events for each row execute function refuse_change()`,
];

export const EVENTS_DOWN = [
  'drop trigger if exists note_video_insert on tasks',
  'drop trigger if exists note_video_update on tasks',
  'drop trigger if exists note_scene_insert on videos',
  'drop trigger if exists note_scene_update on videos',
  'drop function if exists note_video_task()',
  'drop function if exists note_video_scene()',
];
