import { defineEntity, p } from '@mikro-orm/core';
import { Camera } from './camera.ts';
import { times } from './columns.ts';

const CameraLiveSchema = defineEntity({
  name: 'CameraLive',
  tableName: 'camera_live',
  properties: {
    camera: () => p.oneToOne(Camera).fieldName('camera_id').primary().owner().ref().deleteRule('cascade').updateRule('no action'),
    watched_until: p.datetime(3),
    seq: p.bigint('number').default(0),
    frames: p.json<unknown[]>().defaultRaw(`'[]'::jsonb`),
    picture_seq: p.bigint('number').default(0),
    picture: p.blob().nullable(),
    ...times,
  },
});

/**
 * What viewers of a camera see now, whichever process its frames come through. Written only while somebody watches (`watched_until`), never logged, and empty
 * after a crash of the database: nothing of value is in it.
 */
export class CameraLive extends CameraLiveSchema.class {}
CameraLiveSchema.setClass(CameraLive);
