import { storageUse } from '../../../entities/video.queries.ts';
import { VideoStorage } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';

export const getVideoStorageRoute = defineRoute({
  id: 'getVideoStorage',
  method: 'get',
  path: '/video/storage',
  summary: 'What one’s own video files take, and may take',
  tags: ['video'],
  rights: 'user',
  response: { status: 200, schema: VideoStorage },
  handle: async (_input, ctx) => await storageUse(ctx.em, ctx.actor.id, ctx.config.VIDEO_STORAGE_MB),
});
