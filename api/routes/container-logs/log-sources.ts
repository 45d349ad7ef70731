import { z } from 'zod';
import { EngineError } from '../../../core/errors.ts';
import { findSource, listSources } from '../../../entities/log-segment.queries.ts';
import { ContainerId, LogSource } from '../../../schemas/log-segment.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';
import { NumberPath } from './paths.ts';

export const listSourcesRoute = defineRoute({
  id: 'listLogSources',
  method: 'get',
  path: '/container-logs/sources',
  summary: 'List what is and was read into segments: containers, instances, texts',
  tags: ['container logs'],
  rights: 'user',
  query: z.strictObject({
    ...PageQuery,
    container_id: ContainerId.optional(),
    status: z.enum(['reading', 'ended', 'failed']).optional(),
    kind: z.enum(['container', 'instance', 'text', 'batch']).optional(),
  }),
  response: { status: 200, schema: pageOf(LogSource) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) =>
    await listSources(ctx.em, { ...filter, ...scopeOf(ctx.actor) }, { limit, cursor: cursor ?? null }),
});

export const getSourceRoute = defineRoute({
  id: 'getLogSource',
  method: 'get',
  path: '/container-logs/sources/{id}',
  summary: 'How far a log was read',
  tags: ['container logs'],
  rights: 'user',
  params: NumberPath,
  response: { status: 200, schema: LogSource },
  handle: async ({ params }, ctx) => {
    const source = await findSource(ctx.em, params.id, scopeOf(ctx.actor));
    if (!source) throw new EngineError('not_found', `log source ${params.id}: there is none`);
    return source;
  },
});
