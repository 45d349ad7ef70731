import { z } from 'zod';
import { EngineError } from '../../../core/errors.ts';
import { SEGMENT_TYPES } from '../../../core/logs/levels.ts';
import { isKnownContainer, listSegments } from '../../../entities/log-segment.queries.ts';
import { LogSegment, SegmentQuery } from '../../../schemas/log-segment.ts';
import { pageOf } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';
import { ContainerPath, TypePath } from './paths.ts';

const { container_id: _c, ...OfContainer } = SegmentQuery;
const { type: _t, ...OfType } = SegmentQuery;
const summary = 'List log segments, newest first';

export const listSegmentsRoute = defineRoute({
  id: 'listSegments',
  method: 'get',
  path: '/container-logs/segments',
  summary: `${summary}: by container, type, severity, component, text and time; one’s own, or all for operators`,
  tags: ['container logs'],
  rights: 'user',
  query: z.strictObject(SegmentQuery),
  response: { status: 200, schema: pageOf(LogSegment) },
  handle: async ({ query: { limit, cursor, sort, ...filter } }, ctx) =>
    await listSegments(ctx.em, { filter: { ...filter, ...scopeOf(ctx.actor) }, sort }, { limit, cursor: cursor ?? null }),
});

export const listContainerSegmentsRoute = defineRoute({
  id: 'listContainerSegments',
  method: 'get',
  path: '/container-logs/segments/container/{container_id}',
  summary: `${summary}, of one container, also when it is gone`,
  tags: ['container logs'],
  rights: 'user',
  params: ContainerPath,
  query: z.strictObject(OfContainer),
  response: { status: 200, schema: pageOf(LogSegment) },
  handle: async ({ params, query: { limit, cursor, sort, ...filter } }, ctx) => {
    const scope = scopeOf(ctx.actor);
    const page = await listSegments(ctx.em, { filter: { ...filter, ...params, ...scope }, sort }, { limit, cursor: cursor ?? null });
    if (page.items.length === 0 && !(await isKnownContainer(ctx.em, params.container_id, scope)))
      throw new EngineError('not_found', `container "${params.container_id}": none is known`);
    return page;
  },
});

export const listTypeSegmentsRoute = defineRoute({
  id: 'listTypeSegments',
  method: 'get',
  path: '/container-logs/segments/type/{type}',
  summary: `${summary}, of one type`,
  tags: ['container logs'],
  rights: 'user',
  params: TypePath,
  query: z.strictObject(OfType),
  response: { status: 200, schema: pageOf(LogSegment) },
  handle: async ({ params: { type }, query: { limit, cursor, sort, ...filter } }, ctx) => {
    if (!SEGMENT_TYPES.some((known) => known === type))
      throw new EngineError('not_found', `type "${type}": there is none; types are ${SEGMENT_TYPES.join(', ')}`);
    const wanted = { filter: { ...filter, type: [type], ...scopeOf(ctx.actor) }, sort };
    return await listSegments(ctx.em, wanted, { limit, cursor: cursor ?? null });
  },
});
