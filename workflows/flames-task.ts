import type { InstanceInput, InstanceReport } from '../core/workflow-contract.ts';
import { executeInstance } from './execute-instance.ts';

export async function flamesTask(input: InstanceInput): Promise<InstanceReport> {
  return await executeInstance('flames', input);
}
