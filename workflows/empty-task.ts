import type { InstanceInput, InstanceReport } from '../core/workflow-contract.ts';
import { executeInstance } from './execute-instance.ts';

/** The type of instances of the benchmark's engine, which does nothing. */
export async function emptyTask(input: InstanceInput): Promise<InstanceReport> {
  return await executeInstance('empty', input);
}
