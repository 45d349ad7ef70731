import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { EngineError } from '../core/errors.ts';

/** Questions to the Temporal server that both sides of a comparison are asked alike. */
export type TemporalProbe = {
  /** How many workflows of this type have closed so far. */
  closed(type: string): Promise<number>;
  /** Waits until `total` workflows of this type have closed. @throws EngineError timeout */
  settled(type: string, total: number): Promise<void>;
  /** When the last workflow under this id prefix completed, epoch milliseconds. @throws EngineError internal: not all `count` did */
  lastCompleted(prefix: string, count: number): Promise<number>;
  close(): Promise<void>;
};

const POLL_MS = 20;
const LIMIT_MS = 300_000;

export async function openTemporalProbe(address: string, namespace: string): Promise<TemporalProbe> {
  const connection = await Connection.connect({ address });
  const { workflow } = new Client({ connection, namespace });

  const closed = async (type: string) => (await workflow.count(`WorkflowType = "${type}" AND ExecutionStatus != "Running"`)).count;

  const settled = async (type: string, total: number) => {
    const until = Date.now() + LIMIT_MS;
    for (let found = await closed(type); found < total; found = await closed(type)) {
      if (Date.now() > until)
        throw new EngineError('timeout', `${found} of ${total} workflows of type ${type} closed within ${LIMIT_MS / 1000} s`);
      await sleep(POLL_MS);
    }
  };

  const lastCompleted = async (prefix: string, count: number) => {
    const times: number[] = [];
    for await (const one of workflow.list({ query: `WorkflowId STARTS_WITH "${prefix}/" AND ExecutionStatus = "Completed"` })) {
      if (one.closeTime) times.push(one.closeTime.getTime());
    }
    if (times.length !== count)
      throw new EngineError('internal', `workflows ${prefix}/…: expected ${count} completed, found ${times.length}`);
    return Math.max(...times);
  };

  return { closed, settled, lastCompleted, close: () => connection.close() };
}
