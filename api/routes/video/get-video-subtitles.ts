import { webVtt } from '../../../core/video/captions.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { DownloadQuery } from './video-download.ts';
import { visibleVideoDetail } from './video-scope.ts';

export const getVideoSubtitlesRoute = defineRoute({
  id: 'getVideoSubtitles',
  method: 'get',
  path: '/video/tasks/{uuid}/subtitles',
  summary: 'The spoken texts of a video as WebVTT',
  tags: ['video'],
  rights: 'user',
  params: TaskPath,
  query: DownloadQuery,
  response: { status: 200, schema: null, download: ['text/vtt'] },
  handle: async ({ params, query }, ctx) => {
    const { scripts } = await visibleVideoDetail(ctx, params.uuid);
    const text = Buffer.from(webVtt(scripts));
    return {
      download: true as const,
      content_type: 'text/vtt; charset=utf-8',
      filename: query.download === 'true' ? `${params.uuid}.vtt` : null,
      size: text.length,
      open: (range) => pieceOf(text, range),
    };
  },
});

async function* pieceOf(text: Buffer, range: { start: number; end: number } | null): AsyncGenerator<Uint8Array> {
  yield range ? text.subarray(range.start, range.end + 1) : text;
}
