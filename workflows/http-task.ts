import type { InstanceInput, InstanceReport } from './contract.ts';
import { executeInstance } from './execute-instance.ts';

export async function httpTask(input: InstanceInput): Promise<InstanceReport> {
  return await executeInstance('http', input);
}
