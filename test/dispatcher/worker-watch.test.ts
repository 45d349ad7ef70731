import { WorkerWatch } from '../../dispatcher/worker-watch.ts';

const limits = { limit_ms: 60_000, gap_ms: 6_000 };
const silent = [{ id: 'a', sign: 'boot 1' }];

/** Looks every 2 s from `from` to `to` seconds; returns the first second at which a worker was called lost. */
function watchFrom(watch: WorkerWatch, [from, to]: [number, number], workers = () => silent): number | null {
  for (let s = from; s <= to; s += 2) if (watch.look(workers(), s * 1000).length > 0) return s;
  return null;
}

test('a worker without a sign of life is lost after the limit, not before', () => {
  expect(watchFrom(new WorkerWatch(limits), [0, 100])).toBe(60);
});

test('a worker that shows new signs is never lost', () => {
  let beats = 0;
  const alive = () => [{ id: 'a', sign: `boot ${beats++}` }];
  expect(watchFrom(new WorkerWatch(limits), [0, 1000], alive)).toBeNull();
});

test('time in which the watcher saw nothing does not count', () => {
  const watch = new WorkerWatch(limits);
  expect(watchFrom(watch, [0, 50])).toBeNull();
  watch.blind();
  expect(watchFrom(watch, [52, 200])).toBe(112);
});

test('time in which the watcher itself was stopped does not count', () => {
  const watch = new WorkerWatch(limits);
  expect(watchFrom(watch, [0, 50])).toBeNull();
  expect(watchFrom(watch, [3600, 4000])).toBe(3660);
});

test('a new start of the same worker counts as a sign of life', () => {
  const watch = new WorkerWatch(limits);
  expect(watchFrom(watch, [0, 58])).toBeNull();
  expect(watchFrom(watch, [60, 200], () => [{ id: 'a', sign: 'another boot' }])).toBe(120);
});
