import { randomUUID } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { ensureSearchAttributes } from '../../platform/search-attributes.ts';
import { temporalAddress } from './database.ts';
import { eventually } from './eventually.ts';

/** Registers a Temporal namespace, so that workers of different test files with the same names share no task queue. @returns its name */
export async function makeNamespace(): Promise<string> {
  const namespace = `test-${randomUUID()}`;
  const connection = await Connection.connect({ address: temporalAddress() });
  try {
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs('1 day') });
    await eventually(() => ensureSearchAttributes(connection, namespace), { timeout_ms: 60_000 });
    return namespace;
  } finally {
    await connection.close();
  }
}
