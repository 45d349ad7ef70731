import type { InstanceInput, InstanceReport } from '../core/workflow-contract.ts';
import { executeInstance } from './execute-instance.ts';

export async function imageTask(input: InstanceInput): Promise<InstanceReport> {
  return await executeInstance('image', input);
}
