import type { Outcome } from '../../core/outcome.ts';
import type { EngineContext, EngineLog } from '../define-engine.ts';
import type { DockerHost } from '../docker/obtain.ts';
import type { DockerParameters } from '../docker/parameters.ts';
import { runDocker } from '../docker/run.ts';
import { type Emit, LineReader } from './detector-line.ts';

/**
 * Runs a container that prints frames, or goes on with the one that an earlier execution of the instance left: what it has printed is then read again from its
 * first line, since frames are stored once.
 * @returns null: it ended well
 * @throws EngineError invalid_input: a frame that is none, by its line; superseded; unavailable
 */
export async function runContainer(
  { host, parameters }: { host: DockerHost; parameters: DockerParameters },
  context: EngineContext,
  emit: Emit,
): Promise<Outcome | null> {
  const decoder = new TextDecoder();
  const reader = new LineReader(emit, (line) => context.log.write('stdout', Buffer.from(`${line}\n`)));
  const log: EngineLog = {
    lines_before: 0,
    system: (line) => context.log.system(line),
    write: async (stream, chunk) => {
      if (stream === 'stderr') await context.log.write('stderr', chunk);
      else await reader.push(decoder.decode(chunk, { stream: true }));
    },
  };
  const outcome = await runDocker(host, parameters, { ...context, log });
  await reader.end();
  return outcome.status === 'completed' ? null : outcome;
}
