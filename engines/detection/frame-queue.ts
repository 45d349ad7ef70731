import { once } from 'node:events';
import type { Frame } from '../../core/detection/frame.ts';
import type { GroupResult } from './judge-batch.ts';
import type { FrameGroup, SavedGroup } from './save-frames.ts';

/** What a frame takes of the queue: about its bytes in memory. */
export function weightOf({ objects, detail }: Frame): number {
  return 400 + objects.length * 300 + (detail ? JSON.stringify(detail).length * 2 : 0);
}

export const weightOfAll = (frames: readonly Frame[]): number => frames.reduce((sum, frame) => sum + weightOf(frame), 0);

type Waiter = { resolve(saved: SavedGroup): void; reject(cause: unknown): void };
type Item = {
  group: FrameGroup;
  urgent: boolean;
  since: number;
  weight: number;
  taken: number;
  settled: number;
  result: GroupResult;
  waiter: Waiter;
};

/** A part of a group that goes into one batch. */
export type Slice = { part: FrameGroup; settle(saved: SavedGroup): void; fail(cause: unknown): void };

const NOTHING = (): GroupResult => ({ accepted: 0, duplicates: 0, saved: 0, opened: [] });

/** Groups of frames that wait to be stored, first in, first out; large ones are stored in several batches. Bounded by weight. */
export class FrameQueue {
  private readonly items: Item[] = [];
  private readonly max_weight: number;
  private readonly changes = new EventTarget();
  private weight = 0;
  private rate = 2_000;
  frames = 0;

  constructor(max_weight: number) {
    this.max_weight = max_weight;
  }

  /** A group that is too large by itself is taken by an empty queue, or it would never be. */
  hasRoom(weight: number): boolean {
    return this.weight === 0 || this.weight + weight < this.max_weight;
  }

  /** Resolves with the next change. */
  async changed(signal: AbortSignal): Promise<void> {
    await once(this.changes, 'change', { signal }).catch(() => undefined);
  }

  /** Seconds until what waits now is stored, 1–60, at the pace of late. */
  drainS(): number {
    return Math.min(60, Math.max(1, Math.ceil(this.frames / this.rate)));
  }

  async add(group: FrameGroup, urgent: boolean): Promise<SavedGroup> {
    if (group.frames.length === 0) return { outcome: 'stored', ...NOTHING() };
    const weight = weightOfAll(group.frames);
    this.weight += weight;
    this.frames += group.frames.length;
    return await new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      this.items.push({ group, urgent, since: performance.now(), weight, taken: 0, settled: 0, result: NOTHING(), waiter });
    });
  }

  /** How long to wait for more before the next batch. */
  lingerMs(batch: number, most: number): number {
    const [first] = this.items;
    if (!first || this.frames >= batch || this.items.some(({ urgent }) => urgent)) return 0;
    return Math.max(0, first.since + most - performance.now());
  }

  /** The next frames, at most `batch` of them. They count until they are settled. */
  take(batch: number): Slice[] {
    const slices: Slice[] = [];
    let room = batch;
    for (const item of this.items) {
      if (room === 0) break;
      const frames = item.group.frames.slice(item.taken, item.taken + room);
      if (frames.length === 0) continue;
      item.taken += frames.length;
      room -= frames.length;
      slices.push(this.sliceOf(item, frames));
    }
    return slices;
  }

  /** Whoever waits is told that it is not stored. */
  refuse(cause: unknown): void {
    for (const item of [...this.items]) this.end(item, () => item.waiter.reject(cause));
  }

  noteStored(slices: readonly Slice[], ms: number): void {
    const stored = slices.reduce((sum, { part }) => sum + part.frames.length, 0);
    this.rate = 0.8 * this.rate + 0.2 * Math.max(1, (stored * 1_000) / Math.max(1, ms));
  }

  private sliceOf(item: Item, frames: readonly Frame[]): Slice {
    return {
      part: { ...item.group, frames },
      settle: (saved) => this.settle(item, frames.length, saved),
      fail: (cause) => this.end(item, () => item.waiter.reject(cause)),
    };
  }

  private settle(item: Item, count: number, saved: SavedGroup): void {
    if (saved.outcome !== 'stored') {
      this.end(item, () => item.waiter.resolve(saved));
      return;
    }
    item.settled += count;
    item.result.accepted += saved.accepted;
    item.result.duplicates += saved.duplicates;
    item.result.saved += saved.saved;
    item.result.opened.push(...saved.opened);
    if (item.settled === item.group.frames.length) this.end(item, () => item.waiter.resolve({ outcome: 'stored', ...item.result }));
  }

  private end(item: Item, tell: () => void): void {
    const at = this.items.indexOf(item);
    if (at < 0) return;
    this.items.splice(at, 1);
    this.weight -= item.weight;
    this.frames -= item.group.frames.length;
    tell();
    this.changes.dispatchEvent(new Event('change'));
  }
}
