import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { WaveInput, WaveReport } from '../../core/workflow-contract.ts';
import { closeWorkflows, openWorkflows, runWorkflow } from './run-workflow.ts';

beforeAll(openWorkflows);
afterAll(closeWorkflows);

const input: WaveInput = { workflow_id: 'wave/w', timeout_s: 30, heartbeat_timeout_s: 10, title: '3 × test' };
type Seen = { workflow_id: string; earlier?: number; patience_ms?: number };
type Fakes = {
  wave: (seen: Seen) => Promise<WaveReport>;
  finishWave?: (item: { workflow_id: string; outcome: { status: string; code: string } }) => Promise<WaveReport>;
};

const run = (activities: Fakes, more: Partial<WaveInput> = {}, during?: (handle: { cancel(): Promise<unknown> }) => Promise<void>) =>
  runWorkflow({ type: 'wave', input: { ...input, ...more }, activities, during });

test('a wave costs one activity for all its members and completes however they ended', async () => {
  const seen: Seen[] = [];
  const report: WaveReport = { status: 'ended', ended: { completed: 2, failed: 1 } };
  const { result, status, history } = await run({
    wave: async (one) => {
      seen.push(one);
      return report;
    },
  });
  expect([result, status]).toEqual([report, 'COMPLETED']);
  expect(seen).toEqual([{ workflow_id: 'wave/w' }]);
  expect(history.events?.filter(({ activityTaskScheduledEventAttributes: a }) => a).length).toBe(1);
});

test('a short wave that is not over within its patience goes on under one activity, as a later execution', async () => {
  const seen: Seen[] = [];
  const { status } = await run(
    {
      wave: async (one) => {
        seen.push(one);
        return one.patience_ms ? { status: 'going_on', ended: {} } : { status: 'ended', ended: { completed: 3 } };
      },
    },
    { patience_ms: 200 },
  );
  expect(status).toBe('COMPLETED');
  expect(seen).toEqual([
    { workflow_id: 'wave/w', patience_ms: 200 },
    { workflow_id: 'wave/w', earlier: 1 },
  ]);
});

test('where the activity of a wave fails for good, what is left of it is ended by the fallback', async () => {
  const ends: unknown[] = [];
  const { result, status } = await run({
    wave: async () => {
      throw ApplicationFailure.nonRetryable('broken', 'broken_engine');
    },
    finishWave: async (item) => {
      ends.push(item);
      return { status: 'ended', ended: { failed: 2 } };
    },
  });
  expect(ends).toMatchObject([{ workflow_id: 'wave/w', outcome: { status: 'failed', code: 'broken_engine' } }]);
  expect([result, status]).toEqual([{ status: 'ended', ended: { failed: 2 } }, 'COMPLETED']);
});

test('a wave cancelled through Temporal is shown as cancelled, with what is left of it ended', async () => {
  const ends: unknown[] = [];
  const begun = Promise.withResolvers<void>();
  const { status } = await run(
    {
      wave: async () => {
        begun.resolve();
        const beat = setInterval(() => Context.current().heartbeat(), 100);
        return await Context.current().cancelled.finally(() => clearInterval(beat));
      },
      finishWave: async ({ outcome }) => {
        ends.push(outcome);
        return { status: 'ended', ended: { cancelled: 2 } };
      },
    },
    {},
    async (handle) => {
      await begun.promise;
      await handle.cancel();
    },
  );
  expect(ends).toMatchObject([{ status: 'cancelled', code: 'cancelled' }]);
  expect(status).toBe('CANCELLED');
});
