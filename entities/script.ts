import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Task } from './task.ts';

const ScriptSchema = defineEntity({
  name: 'Script',
  tableName: 'scripts',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    task: () => p.manyToOne(Task).fieldName('task_id').ref().deleteRule('cascade'),
    scene_number: p.integer(),
    description: p.text(),
    duration: p.integer(),
    camera_movement: p.string().length(50).nullable(),
    lighting: p.string().length(50).nullable(),
    voice_text: p.text().nullable(),
    color: p.string().length(7).nullable(),
    picture: p.string().length(255).nullable(),
    ...times,
  },
  uniques: [{ name: 'scripts_scene_key', properties: ['task', 'scene_number'] }],
  checks: [{ name: 'scripts_range_check', expression: 'scene_number > 0 and duration > 0' }],
});

/** One scene as it was written, numbered from 1. `duration` in whole seconds. Written once for a task; a retry renders the same script. */
export class Script extends ScriptSchema.class {}
ScriptSchema.setClass(Script);
