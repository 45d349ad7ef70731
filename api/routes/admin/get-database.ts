import { reportDatabase } from '../../../commands/report-database.ts';
import { DatabaseReport } from '../../../schemas/database-report.ts';
import { defineRoute } from '../../define-route.ts';

export const getDatabaseRoute = defineRoute({
  id: 'getDatabase',
  method: 'get',
  path: '/admin/database',
  summary: 'Report sizes, use of indexes, slow statements, dead rows and connections of the database, with advice',
  tags: ['admin'],
  rights: 'admin',
  response: { status: 200, schema: DatabaseReport },
  handle: async (_input, ctx) => await reportDatabase(ctx.em, ctx.config.DATABASE_WARN_MB),
});
