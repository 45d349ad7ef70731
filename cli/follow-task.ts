import { setTimeout as pause } from 'node:timers/promises';
import { EngineError } from '../core/errors.ts';
import { isFinalInstance, isFinalTask } from '../core/states.ts';
import { Instance, LogLine } from '../schemas/instance.ts';
import { Task } from '../schemas/task.ts';
import type { ApiClient } from './api-client.ts';

/** Gets told of each change of state, and each line that the task prints. */
export type Watcher = { state(text: string): void; line(stream: string, text: string): void };

/** A task at its end, with its last instance; null when it never had one. */
export type Followed = { task: Task; instance: Instance | null };

type Following = { api: ApiClient; uuid: string; watcher: Watcher; signal: AbortSignal };

const POLL_MS = 200;

/**
 * Follows a task to its end: states by polling, logs as they come.
 * @throws EngineError timeout: `signal` was aborted before; whatever the API refuses
 */
export async function followTask(following: Following): Promise<Followed> {
  const { api, uuid, watcher } = following;
  const seen = { state: '', runid: null as string | null };
  for (;;) {
    const task = await api.get(`/tasks/${uuid}`, Task);
    const state = describeState(task);
    if (state !== seen.state) watcher.state(state);
    seen.state = state;
    if (task.runid !== null && task.runid !== seen.runid) {
      seen.runid = task.runid;
      await printLogs(following, task.runid);
      continue;
    }
    if (isFinalTask(task.status)) return { task, instance: await lastInstance(api, task) };
    await waitOn(following, state);
  }
}

const lastInstance = async (api: ApiClient, { runid }: Task): Promise<Instance | null> =>
  runid ? await api.get(`/instances/${runid}`, Instance) : null;

const describeState = (task: Task): string => [task.status, task.pending_reason ?? task.status_reason].filter(Boolean).join(' · ');

async function waitOn({ uuid, signal }: Following, state: string): Promise<void> {
  if (signal.aborted) throw new EngineError('timeout', `task ${uuid}: still ${state}; expected it to end`);
  await pause(POLL_MS);
}

/** Prints an instance's lines until its end; a stream that breaks off is taken up where it was. */
async function printLogs(following: Following, runid: string): Promise<void> {
  const { api, signal } = following;
  const position = { after: 0 };
  for (;;) {
    const ended = await printStream(following, runid, position).catch((error: unknown) => {
      if (signal.aborted) return false;
      throw error;
    });
    const { status } = await api.get(`/instances/${runid}`, Instance);
    if (ended || isFinalInstance(status)) return;
    await waitOn(following, `instance ${status}`);
  }
}

/** @returns whether the stream said that there is no more */
async function printStream({ api, watcher, signal }: Following, runid: string, position: { after: number }): Promise<boolean> {
  for await (const { event, data } of api.events(`/instances/${runid}/logs/stream?after=${position.after}`, signal)) {
    if (event === 'end') return true;
    const line = LogLine.parse(JSON.parse(data));
    watcher.line(line.stream, line.line);
    position.after = line.seq;
  }
  return false;
}
