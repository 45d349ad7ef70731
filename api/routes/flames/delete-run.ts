import { z } from 'zod';
import { deleteFlamesLogs, deleteFlamesRun } from '../../../commands/delete-flames.ts';
import { defineRoute } from '../../define-route.ts';
import { FlamesRunPath } from '../paths.ts';
import { placesOf } from './visible-run.ts';

export const deleteFlamesRunRoute = defineRoute({
  id: 'deleteFlamesRun',
  method: 'delete',
  path: '/flames/runs/{task_id}',
  summary: 'Delete an evaluation that has ended, with its rows, scores and files; its task stays',
  tags: ['flames'],
  rights: 'user',
  params: FlamesRunPath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => {
    await deleteFlamesRun(ctx, placesOf(ctx), params.task_id);
    return undefined;
  },
});

export const deleteFlamesLogsRoute = defineRoute({
  id: 'deleteFlamesLogs',
  method: 'delete',
  path: '/flames/runs/{task_id}/logs',
  summary: 'Delete the rows of an evaluation that has ended, in the table and in files; its figures stay',
  tags: ['flames'],
  rights: 'user',
  params: FlamesRunPath,
  response: { status: 200, schema: z.object({ removed: z.int() }) },
  handle: async ({ params }, ctx) => ({ removed: await deleteFlamesLogs(ctx, placesOf(ctx), params.task_id) }),
});
