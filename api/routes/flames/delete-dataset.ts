import { deleteFlamesDataset } from '../../../commands/delete-flames.ts';
import { defineRoute } from '../../define-route.ts';
import { DatasetPath } from '../paths.ts';

export const deleteFlamesDatasetRoute = defineRoute({
  id: 'deleteFlamesDataset',
  method: 'delete',
  path: '/flames/datasets/{id}',
  summary: 'Delete a dataset; runs over it keep their rows',
  tags: ['flames'],
  rights: 'user',
  params: DatasetPath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => {
    await deleteFlamesDataset(ctx, params.id);
    return undefined;
  },
});
