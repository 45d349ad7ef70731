import { query } from '../entities/sql.ts';
import type { DispatcherDeps } from './deps.ts';

const PER_PASS = 500;

/**
 * Terminates workflows that are open although their instances are final, all of them where it is a wave. Temporal's list only proposes candidates, since it lags behind;
 * the row decides. Workflows of no row here are left alone: another installation may share the namespace.
 * @param grace_s how long a workflow may take to close by itself after its row is final
 */
export async function endStrayWorkflows({ client, fork, logger }: DispatcherDeps, grace_s: number): Promise<void> {
  const before = new Date(Date.now() - grace_s * 1000).toISOString();
  const open: string[] = [];
  for await (const { workflowId } of client.workflow.list({
    query: `ExecutionStatus = "Running" AND StartTime < "${before}"`,
    pageSize: PER_PASS,
  })) {
    if (/^(task|wave)\//.test(workflowId)) open.push(workflowId);
    if (open.length >= PER_PASS) break;
  }
  if (open.length === 0) return;
  const strays = await query<{ workflow_id: string }>(
    fork(),
    `select workflow_id from instances where workflow_id = any($1) group by workflow_id
     having bool_and(status not in ('starting', 'running')) and max(end_time) < clock_timestamp() - make_interval(secs => $2)`,
    [open, grace_s],
  );
  for (const { workflow_id } of strays) {
    logger.warn({ workflow_id }, 'workflow is open though its work is final; terminated');
    await client.workflow
      .getHandle(workflow_id)
      .terminate('its work is final')
      .catch(() => undefined);
  }
}
