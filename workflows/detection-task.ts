import type { InstanceInput, InstanceReport } from '../core/workflow-contract.ts';
import { executeInstance } from './execute-instance.ts';

export async function detectionTask(input: InstanceInput): Promise<InstanceReport> {
  return await executeInstance('detection', input);
}
