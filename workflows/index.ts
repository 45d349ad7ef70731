/** Every workflow type. Temporal UI shows these names and histories store them: add, never rename. */
export { cronFire } from './cron-fire.ts';
export { detectionTask } from './detection-task.ts';
export { dockerTask } from './docker-task.ts';
export { emptyTask } from './empty-task.ts';
export { flamesTask } from './flames-task.ts';
export { httpTask } from './http-task.ts';
export { imageTask } from './image-task.ts';
export { shellTask } from './shell-task.ts';
export { slaBreach } from './sla-breach.ts';
export { videoTask } from './video-task.ts';
export { wave } from './wave.ts';
