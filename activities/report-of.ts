import { type FinalInstanceStatus, type InstanceStatus, isFinalInstance } from '../core/states.ts';
import type { InstanceReport } from '../core/workflow-contract.ts';
import { type Em, query } from '../entities/sql.ts';

/** What the row says of an instance: its end, or `superseded` while another execution owns it. */
export async function reportOf(em: Em, runid: string): Promise<InstanceReport> {
  const [row] = await query<{ status: InstanceStatus; code: string | null }>(em, 'select status, code from instances where runid = $1', [
    runid,
  ]);
  if (!row || !isFinalInstance(row.status)) return { status: 'superseded', code: 'superseded' };
  return { status: row.status as FinalInstanceStatus, code: row.code ?? row.status };
}
