import { type LogEntry, mergeEntries } from '../../core/flames/log-entry.ts';
import { insertTaskLogs, type KnownLog, readKnownLogs } from '../../entities/task-flames-log.queries.ts';
import type { EngineContext } from '../define-engine.ts';
import { isAway, isSuperseded } from './faults.ts';
import { filedBatches, readFiles } from './log-files.ts';

/** What earlier executions left of a run. `behind`: some of it is in files only. `known`: of the prompts `from` to `to`, in order. */
export type Checkpoint = { behind: boolean; known(from: number, to: number): Promise<KnownLog[]> };

/**
 * Finds what is there of a run, and brings rows that are in files only into the table. Where the table cannot be used although the database answers, the files
 * are what is known.
 * @throws EngineError superseded; what the database says while it is away: asking everything again would cost more than waiting
 */
export async function openCheckpoint(context: EngineContext, task_id: string): Promise<Checkpoint> {
  const behind = !(await bringIn(context, task_id));
  const filed: LogEntry[] = [];
  if (behind) for await (const entry of readFiles(context.artifacts, task_id)) filed.push(entry);
  const extra = Map.groupBy(filed, ({ prompt_seq }) => prompt_seq);
  return {
    behind,
    known: async (from, to) => {
      const stored = await readable(context, { task_id, from, to });
      const more = Array.from({ length: to - from + 1 }, (_, i) => extra.get(from + i) ?? []).flat();
      return more.length === 0 ? stored : mergeEntries([...stored, ...more.map(asKnown)]);
    },
  };
}

const asKnown = (entry: LogEntry): KnownLog => ({ ...entry, runid: null });

async function bringIn(context: EngineContext, task_id: string): Promise<boolean> {
  try {
    for await (const logs of filedBatches(context.artifacts, task_id)) await context.fenced((em) => insertTaskLogs(em, task_id, { logs }));
    return true;
  } catch (cause) {
    if (isSuperseded(cause) || isAway(cause)) throw cause;
    context.logger.warn({ err: cause }, 'log rows of an earlier execution cannot be brought into the table');
    return false;
  }
}

async function readable(context: EngineContext, range: { task_id: string; from: number; to: number }): Promise<KnownLog[]> {
  try {
    return await readKnownLogs(context.em(), range);
  } catch (cause) {
    if (isAway(cause)) throw cause;
    context.logger.warn({ err: cause }, 'the table of log rows cannot be read; the files are what is known');
    return [];
  }
}
