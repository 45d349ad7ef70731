import type { FieldProblem } from '../core/errors.ts';
import type { Engines } from '../engines/define-engine.ts';
import type { CommandContext } from './context.ts';
import type { PreparedTask } from './prepare-tasks.ts';

/** The first field that a task's engine refuses, and the others, with the task's place in the request. */
export type Refused = { index: number; errors: FieldProblem[] };

/**
 * Asks the engines that look further than at the shape of parameters: whether what these name is there, and is for this user.
 * @throws EngineError forbidden: what an engine keeps from this user
 */
export async function checkSubmissions(ctx: CommandContext, tasks: readonly PreparedTask[], engines: Engines): Promise<Refused[]> {
  const refused: Refused[] = [];
  for (const { index, version, parameters } of tasks) {
    const engine = engines.byKind(version.engine);
    if (!engine?.check) continue;
    const errors = await engine.check(engine.parameters.parse(parameters), { em: ctx.em, actor: ctx.actor });
    if (errors.length > 0) refused.push({ index, errors });
  }
  return refused;
}
