import type { Config } from '../../config/env.ts';
import type { FieldProblem } from '../../core/errors.ts';
import { parseOutboundAllow } from '../../core/outbound.ts';
import type { Outcome } from '../../core/outcome.ts';
import { findDataset } from '../../entities/flames-dataset.queries.ts';
import { findRun } from '../../entities/task-flames.queries.ts';
import { defineEngine, type EngineContext, type Submitter } from '../define-engine.ts';
import { createOutboundAgent } from '../outbound-guard.ts';
import { stoppedOutcome } from '../stopped.ts';
import { evaluate, type FlamesTools } from './evaluate.ts';
import { type EvaluationParameters, FlamesParameters, FlamesResult } from './parameters.ts';
import { rescore } from './rescore.ts';

const FINAL = ['completed', 'failed', 'cancelled', 'partial'];

/** Whether the dataset or run that the parameters name is there for this user; others' are as absent as missing ones. */
async function check(parameters: FlamesParameters, { em, actor }: Submitter): Promise<FieldProblem[]> {
  const scope = { user_id: actor.role === 'user' ? actor.id : null };
  if (parameters.rescore_of !== undefined) {
    const run = await findRun(em, parameters.rescore_of, scope);
    const detail = run ? unfit(run) : `run ${parameters.rescore_of}: there is none`;
    return detail === null ? [] : [{ pointer: '/parameters/rescore_of', detail }];
  }
  const id = (parameters as EvaluationParameters).dataset_id;
  if (await findDataset(em, id, scope)) return [];
  return [{ pointer: '/parameters/dataset_id', detail: `dataset ${id}: there is none` }];
}

/** Why a run cannot be scored again; null when it can. */
function unfit({ task_id, status, logs }: { task_id: string; status: string; logs: string }): string | null {
  if (!FINAL.includes(status)) return `run ${task_id} is ${status}: only one that has ended can be scored again`;
  return logs === 'database' ? null : `the rows of run ${task_id} are not in the table (${logs}): import them first`;
}

async function run(tools: FlamesTools, parameters: FlamesParameters, context: EngineContext): Promise<Outcome> {
  if (context.signal.aborted) return stoppedOutcome(context);
  if (parameters.rescore_of !== undefined) return await rescore({ ...tools, parameters, context });
  return await evaluate({ ...tools, parameters: parameters as EvaluationParameters, context });
}

/**
 * Asks a model every prompt of a dataset, has the answers scored, and keeps one row for each in `task_flames_logs`. The rows are the checkpoint: a run that is
 * entered again asks only what has none. Only public addresses, and those of OUTBOUND_ALLOW, are reached.
 */
export function createFlamesEngine(config: Pick<Config, 'OUTBOUND_ALLOW' | 'FLAMES_CACHE_HOURS'>) {
  const tools = { agent: createOutboundAgent(parseOutboundAllow(config.OUTBOUND_ALLOW)), cache_hours: config.FLAMES_CACHE_HOURS };
  return defineEngine({
    kind: 'flames',
    summary: 'Evaluates a language model on a dataset of prompts, by the rules of the Flames benchmark',
    parameters: FlamesParameters,
    result: FlamesResult,
    on_worker_lost: 'resume',
    batchable: false,
    right: null,
    defaults: { cpu: 0.5, memory_mb: 256 },
    available: async () => ({ ok: true }),
    check,
    run: (parameters, context) => run(tools, parameters, context),
  });
}
