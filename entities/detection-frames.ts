import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { DetectionSession } from './detection-session.ts';

const DetectionFramesSchema = defineEntity({
  name: 'DetectionFrames',
  tableName: 'detection_frames',
  properties: {
    session: () => p.manyToOne(DetectionSession).fieldName('session_id').primary().ref().deleteRule('cascade'),
    block: p.bigint('number').primary(),
    frames: p.blob(),
    ...times,
  },
});

/** Which of 4,096 frames of a session were dealt with, a bit each: what makes sending a frame twice harmless, whether it became a record or not. */
export class DetectionFrames extends DetectionFramesSchema.class {}
DetectionFramesSchema.setClass(DetectionFrames);
