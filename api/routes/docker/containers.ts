import { z } from 'zod';
import { EngineError } from '../../../core/errors.ts';
import { findContainer, listContainers } from '../../../entities/docker.queries.ts';
import { CONTAINER_STATES } from '../../../entities/docker-container.ts';
import { DockerContainer } from '../../../schemas/docker.ts';
import { ContainerId } from '../../../schemas/log-segment.ts';
import { PageQuery, pageOf, words } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';
import { ContainerNamePath } from './paths.ts';

export const listContainersRoute = defineRoute({
  id: 'listContainers',
  method: 'get',
  path: '/docker/containers',
  summary: 'List containers with their images and what their logs hold, also those that are gone',
  tags: ['docker'],
  rights: 'operator',
  query: z.strictObject({
    ...PageQuery,
    docker_id: z.string().min(1).max(200).optional(),
    status: words(CONTAINER_STATES).optional().describe('comma-separated'),
    image_id: z.string().min(1).max(255).optional(),
    container_name: ContainerId.optional(),
    runid: z.uuid().toLowerCase().optional(),
  }),
  response: { status: 200, schema: pageOf(DockerContainer) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => await listContainers(ctx.em, filter, { limit, cursor: cursor ?? null }),
});

export const getContainerRoute = defineRoute({
  id: 'getContainer',
  method: 'get',
  path: '/docker/containers/{container_id}',
  summary: 'Show a container by id or name',
  tags: ['docker'],
  rights: 'operator',
  params: ContainerNamePath,
  response: { status: 200, schema: DockerContainer },
  handle: async ({ params }, ctx) => {
    const container = await findContainer(ctx.em, params.container_id);
    if (!container) throw new EngineError('not_found', `container "${params.container_id}": none is known`);
    return container;
  },
});
