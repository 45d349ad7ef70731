import type { RateLimit } from './token-bucket.ts';

/**
 * What happens to the tasks of a key that is full. `queue`: they wait; `reject`: they are refused; `cancel_newest`: they are cancelled, the first ones go on;
 * `cancel_running`: the first ones are cancelled, the newest go on.
 */
export const OnLimit = { queue: 'queue', reject: 'reject', cancel_newest: 'cancel_newest', cancel_running: 'cancel_running' } as const;
export type OnLimit = (typeof OnLimit)[keyof typeof OnLimit];

/** `key`: where the value stands in the parameters, names joined by dots; at most `limit` tasks with an equal value run at once. */
export type Concurrency = { key: string; limit: number; on_limit: OnLimit };

const LONGEST = 300;

/**
 * The key that a task takes a place of: template, path and value. Values of different types differ (`1` and `"1"`).
 * @returns null when the parameters have no such value: then nothing limits the task
 */
export function concurrencyKey(template: string, { key }: Concurrency, parameters: Record<string, unknown>): string | null {
  const value = valueText(key, parameters);
  return value === null ? null : `${template}/${key}=${value}`;
}

/**
 * The name of the token bucket from which a task's starts are taken.
 * @returns null when the limit is for each value of a parameter and the task has none: then nothing limits it
 */
export function templateBucket(template: string, { key }: Pick<RateLimit, 'key'>, parameters: Record<string, unknown>): string | null {
  if (key === null) return `template:${template}`;
  const value = valueText(key, parameters);
  return value === null ? null : `template:${template}/${key}=${value}`;
}

/** The bucket of all tasks of a queue. */
export const queueBucket = (queue: string): string => `queue:${queue}`;

/** The value at a path as text that tells types apart, long ones shortened; null: there is none. */
function valueText(path: string, parameters: Record<string, unknown>): string | null {
  let value: unknown = parameters;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return null;
    value = (value as Record<string, unknown>)[name];
  }
  if (value === null || value === undefined) return null;
  const text = JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…${digest(text)}` : text;
}

/** 53 bits of a hash (cyrb53), so that long values with an equal beginning stay apart. */
function digest(text: string): string {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36);
}
