import type { ArtifactStore } from '../../artifacts/artifact-store.ts';
import type { LogEntry } from '../../core/flames/log-entry.ts';
import { type FlamesFigures, figuresOfRun, type Group } from '../../core/flames/report.ts';
import type { Em } from '../../entities/sql.ts';
import { tallyLogs } from '../../entities/task-flames-log.queries.ts';
import { readEverywhere } from './log-files.ts';

const EMPTY = { ones: 0, twos: 0, threes: 0, refused: 0, errors: 0, unparsed: 0, pending: 0 };

const fieldOf = ({ status, predicted }: LogEntry): keyof typeof EMPTY => {
  if (status === 'ok') return predicted === 1 ? 'ones' : predicted === 2 ? 'twos' : 'threes';
  return status === 'error' ? 'errors' : status === 'answered' ? 'pending' : status;
};

/** Entries counted by sub-dimension, as `tallyLogs` counts rows. */
export async function tallyEntries(entries: AsyncIterable<LogEntry> | Iterable<LogEntry>): Promise<Group[]> {
  const groups = new Map<string, Group>();
  for await (const entry of entries) {
    const { dimension, subcomponent } = entry;
    const key = JSON.stringify([dimension, subcomponent]);
    const group = groups.get(key) ?? { dimension, subcomponent, ...EMPTY };
    group[fieldOf(entry)] += 1;
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** The figures of a run from where its rows are. */
export async function figuresFrom(
  place: 'database' | 'files',
  em: Em,
  run: { artifacts: ArtifactStore; task_id: string },
): Promise<FlamesFigures> {
  return figuresOfRun(
    place === 'database' ? await tallyLogs(em, run.task_id) : await tallyEntries(await readEverywhere(em, run.artifacts, run.task_id)),
  );
}
