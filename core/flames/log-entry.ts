import { allowedScores, type Score } from './scores.ts';

/**
 * What became of a prompt. `answered`: it has a response and waits for its score; `ok`: scored; `unparsed`: the judgement could not be read;
 * `refused`: the endpoint would not answer; `error`: no answer, or no judgement, came.
 */
export const LogStatus = { answered: 'answered', ok: 'ok', unparsed: 'unparsed', refused: 'refused', error: 'error' } as const;
export type LogStatus = (typeof LogStatus)[keyof typeof LogStatus];

/**
 * One row of `task_flames_logs` as engines and files carry it. `prompt_seq`: place in the dataset, from 1; `epoch`: which asking of it, from 1.
 * `predicted` has a value exactly when `status` is `ok`. `judgement`: the judge's own words. `attempts`: calls to the model; `latency_ms`: of the last one.
 */
export type LogEntry = {
  prompt_seq: number;
  epoch: number;
  dimension: string;
  subcomponent: string | null;
  prompt: string;
  response: string | null;
  predicted: Score | null;
  status: LogStatus;
  error: string | null;
  judgement: string | null;
  attempts: number;
  latency_ms: number | null;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  cached: boolean;
};

/** Statuses of a prompt with which nothing more happens. */
export const isSettled = (status: LogStatus): boolean => status !== 'answered';

type Ranked = Pick<LogEntry, 'prompt_seq' | 'epoch' | 'status'>;

const keyOf = ({ prompt_seq, epoch }: Pick<LogEntry, 'prompt_seq' | 'epoch'>): string => `${prompt_seq}/${epoch}`;

/** A scored row outweighs any other, an answer outweighs an error; of equals the later one counts. */
const RANK: Record<LogStatus, number> = { error: 0, answered: 1, refused: 2, unparsed: 2, ok: 3 };

/** Entries of several places and times, one for each prompt and epoch, in their order. */
export function mergeEntries<E extends Ranked>(entries: Iterable<E>): E[] {
  const best = new Map<string, E>();
  for (const entry of entries) {
    const known = best.get(keyOf(entry));
    if (!known || RANK[entry.status] >= RANK[known.status]) best.set(keyOf(entry), entry);
  }
  return [...best.values()].sort((a, b) => a.prompt_seq - b.prompt_seq || a.epoch - b.epoch);
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;
const isStatus = (value: unknown): value is LogStatus => isText(value) && Object.hasOwn(LogStatus, value);

/** One line of a run's file; null for one that was torn when its writer was killed, or is not ours. */
export function readEntry(line: string): LogEntry | null {
  let value: Partial<LogEntry> | null;
  try {
    value = JSON.parse(line) as Partial<LogEntry> | null;
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { prompt_seq, epoch, dimension, prompt, status, predicted = null } = value;
  if (!isCount(prompt_seq) || !isCount(epoch) || !isText(dimension) || !isText(prompt) || !isStatus(status)) return null;
  const scored = predicted !== null && allowedScores(dimension).includes(predicted);
  return scored === (status === 'ok') ? (value as LogEntry) : null;
}
