import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { User } from './user.ts';

const CameraSchema = defineEntity({
  name: 'Camera',
  tableName: 'cameras',
  properties: {
    id: p.text().primary(),
    name: p.text(),
    user: () => p.manyToOne(User).fieldName('user_id').ref().index('idx_cameras_user'),
    timezone: p.text().default('UTC'),
    ...times,
  },
});

/** Where pictures come from. Made by whoever first sends detections under its id, and theirs from then on. `timezone`: of its days, for summaries. */
export class Camera extends CameraSchema.class {}
CameraSchema.setClass(Camera);
