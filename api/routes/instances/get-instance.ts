import { Instance } from '../../../schemas/instance.ts';
import { defineRoute } from '../../define-route.ts';
import { InstancePath } from '../paths.ts';
import { visibleInstance } from '../scope.ts';

export const getInstanceRoute = defineRoute({
  id: 'getInstance',
  method: 'get',
  path: '/instances/{runid}',
  summary: 'Get an instance',
  tags: ['instances'],
  rights: 'user',
  params: InstancePath,
  response: { status: 200, schema: Instance },
  handle: async ({ params }, ctx) => await visibleInstance(ctx, params.runid),
});
