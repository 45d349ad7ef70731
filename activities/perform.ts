import { EngineError } from '../core/errors.ts';
import { ended, type Outcome } from '../core/outcome.ts';
import type { Engine, EngineContext } from '../engines/define-engine.ts';
import type { EngineRun } from './engine-run.ts';
import { stopOutcome } from './stop-outcome.ts';

/** How long an engine may take to stop before it is given up; its own grace for the work is shorter. */
const STOP_LIMIT_MS = 30_000;

/**
 * Runs the engine to its end and says how the instance ended.
 * @throws what the engine threw, where a later execution may go on with the same work: a fault of the surroundings, or the worker's end
 */
export async function perform(run: EngineRun, context: EngineContext): Promise<Outcome> {
  const parameters = run.engine.parameters.safeParse(run.claim.parameters);
  if (!parameters.success) return invalid(`parameters of a ${run.engine.kind} task: ${parameters.error.issues[0]?.message ?? 'invalid'}`);
  try {
    const outcome = await withinStopLimit(run, run.engine.run(parameters.data, context));
    return settle(run, outcome);
  } catch (cause) {
    return fault(run, cause);
  }
}

const invalid = (message: string): Outcome => ended('failed', { code: 'invalid_input', message });

/** @returns null when the engine was told to stop and did not */
async function withinStopLimit(run: EngineRun, work: Promise<Outcome>): Promise<Outcome | null> {
  let timer: NodeJS.Timeout | undefined;
  const { promise: overdue, resolve } = Promise.withResolvers<null>();
  const arm = () => {
    timer = setTimeout(() => resolve(null), STOP_LIMIT_MS + (run.grace_s ?? 0) * 1_000);
  };
  if (run.signal.aborted) arm();
  else run.signal.addEventListener('abort', arm, { once: true });
  try {
    return await Promise.race([work, overdue]);
  } finally {
    // One that is told to stop while its end is being stored has nothing left to be waited for.
    run.signal.removeEventListener('abort', arm);
    clearTimeout(timer);
  }
}

function settle(run: EngineRun, outcome: Outcome | null): Outcome {
  if (outcome === null) {
    run.deps.logger.error(
      { runid: run.claim.runid, engine: run.engine.kind, reason: run.stopped },
      'the engine did not stop its work in time',
    );
  }
  if (run.stopped || !outcome) return stopOutcome({ reason: run.stopped ?? 'superseded', outcome, timeout: run.claim.timeout });
  return outcome.status === 'completed' ? checked(run.engine, outcome) : outcome;
}

/** A result that does not match its schema is a defect of the engine; nobody shall read it as if it did. */
function checked(engine: Engine, outcome: Outcome): Outcome {
  const result = engine.result.safeParse(outcome.result);
  if (result.success) return outcome;
  const issue = result.error.issues[0];
  return ended('failed', {
    code: 'bad_result',
    message: `result of engine "${engine.kind}" at "${issue?.path.join('.')}": ${issue?.message}`,
  });
}

/** Engines that can go on with the same work are entered again by Temporal; the others fail, and the task's retry policy decides. */
function fault(run: EngineRun, cause: unknown): Outcome {
  const goesOn = run.engine.on_worker_lost !== 'new_instance';
  if (run.stopped && !(goesOn && run.stopped === 'shutdown')) {
    return stopOutcome({ reason: run.stopped, outcome: null, timeout: run.claim.timeout });
  }
  if (goesOn && (run.stopped || !(cause instanceof EngineError) || cause.retryable)) throw cause;
  if (!(cause instanceof EngineError)) run.deps.logger.error({ err: cause, runid: run.claim.runid }, `engine "${run.engine.kind}" failed`);
  if (!(cause instanceof EngineError)) return ended('failed', { code: 'internal', message: `engine "${run.engine.kind}": internal fault` });
  return ended('failed', { code: cause.code, message: cause.message, details: cause.details });
}
