import { byKey } from './retention-step.ts';

/** Steps of the retention for what people and other systems were told, and why. A breach of a task stays until a run after the one that removed the task,
 * whose clocks it belongs to; its actions go with it. */
export const NOTICE_STEPS = {
  notifications: byKey({ table: 'notifications', as: 'n', key: 'id', type: 'int8', old: 'n.created_at < $1 and n.seq is not null' }),
  deliveries: byKey({ table: 'deliveries', as: 'd', key: 'id', type: 'uuid', old: `d.created_at < $1 and d.ended_at < $1` }),
  breaches: byKey({
    table: 'breaches',
    as: 'b',
    key: 'id',
    type: 'uuid',
    old: `b.created_at < $1 and b.task_id is null and (b.subject_type = 'task' or b.resolved_at < $1)`,
  }),
  pool_resizes: byKey({ table: 'pool_resizes', as: 'r', key: 'id', type: 'int8', old: 'r.created_at < $1 and r.ended_at < $1' }),
};
