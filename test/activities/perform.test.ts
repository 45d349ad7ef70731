import { z } from 'zod';
import { EngineRun } from '../../activities/engine-run.ts';
import { perform } from '../../activities/perform.ts';
import { completed, type Outcome } from '../../core/outcome.ts';
import { defineEngine } from '../../engines/define-engine.ts';

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

/** A run of an engine that does just this. */
function runOf(work: () => Promise<Outcome>): EngineRun {
  const engine = defineEngine({
    kind: 'shell',
    summary: 'a sample',
    parameters: z.object({}),
    result: z.object({}),
    on_worker_lost: 'new_instance',
    batchable: false,
    right: null,
    defaults: { cpu: 1, memory_mb: 1 },
    available: async () => ({ ok: true }),
    run: work,
  });
  const claim = { runid: '1', parameters: {}, timeout: 60, age_s: 0 };
  return new EngineRun({ deps: {} as never, claim: claim as never, engine, execution: 1 });
}

it('leaves no timer when the work ends after it was told to stop', async () => {
  const before = timers();
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const run = runOf(() => promise);
  const performed = perform(run, {} as never);
  run.stop('cancel');
  expect(timers()).toBe(before + 1);
  resolve(completed({}));
  expect(await performed).toEqual(completed({}));
  expect(timers()).toBe(before);
});

it('leaves no timer when it is told to stop after the work has ended', async () => {
  const before = timers();
  const run = runOf(async () => completed({}));
  expect(await perform(run, {} as never)).toEqual(completed({}));
  run.stop('shutdown');
  expect(timers()).toBe(before);
});
