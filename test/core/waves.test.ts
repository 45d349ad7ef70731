import fc from 'fast-check';
import { type Decisions, decide } from '../../core/admission.ts';
import type { Candidate, Snapshot } from '../../core/admission-state.ts';
import { type HeldBack, planStarts, WAVE_LEAST, WAVE_MOST, waveSize } from '../../core/waves.ts';

test.each([
  [null, 10],
  [0.01, 50],
  [1, 50],
  [1.5, 25],
  [1.95, 2],
  [2, 1],
  [600, 1],
])('tasks of which nine of ten take at most %s s share a workflow with up to %d', (p90_s, size) => {
  expect(waveSize({ batchable: true, p90_s }, 50)).toBe(size);
  expect(waveSize({ batchable: false, p90_s }, 50)).toBe(1);
});

test('what the largest wave is, is a setting', () => {
  expect([null, 0.5, 1.5].map((p90_s) => waveSize({ batchable: true, p90_s }, WAVE_MOST))).toEqual([10, 200, 100]);
  expect([null, 0.5, 1.5].map((p90_s) => waveSize({ batchable: true, p90_s }, 8))).toEqual([8, 8, 4]);
});

const POOL = { name: 'p', status: 'active', total: { cpu_milli: 1e6, memory_mb: 1e6 }, used: { cpu_milli: 0, memory_mb: 0 } };
const QUEUE = {
  bucket: null,
  pool: 'p',
  status: 'active',
  priority: 50,
  step_s: 60,
  policy: 'backfill',
  reserve_after_s: 60,
  strict_priority: false,
};

type World = { waiting: number; capacity: number; load: number; batchable?: boolean; p90_s?: number | null; now?: number };

/** One queue with equal tasks, and workers with room for all of them. */
function worldOf({ waiting, capacity, load, batchable = true, p90_s = 0.1, now = 1_000_000 }: World): Snapshot {
  const candidates = Array.from({ length: waiting }, (_, i) => ({
    uuid: `t${String(i).padStart(3, '0')}`,
    queue: 'q',
    need: 'n',
    engine: 'http',
    amount: { cpu_milli: 10, memory_mb: 16 },
    vtime: i,
    eligible_at: i,
    timeout_s: 60,
    p90_s,
    key: null,
    bucket: null,
    batchable,
  }));
  const queue = { ...QUEUE, name: 'q', capacity, current_load: load };
  const worker = { id: 'w', pool: 'p', total: POOL.total, used: POOL.used, engines: ['http'] };
  const world = { now, queues: [queue], pools: [POOL], workers: [worker], candidates, buckets: [], shares: new Map(), running: [] };
  return world as unknown as Snapshot;
}

const NONE: HeldBack = new Map();
const plan = (world: World, held = NONE) => {
  const snapshot = worldOf(world);
  return planStarts({ snapshot, decisions: decide(snapshot, 200), more: new Set(), held, most: 50 });
};

test('under a backlog a few freed places are gathered, for a tenth of a second', () => {
  const first = plan({ waiting: 100, capacity: 100, load: 97 });
  expect(first).toMatchObject({ starts: [], wait_ms: 100 });
  const later = plan({ waiting: 100, capacity: 100, load: 90, now: 1_000_060 }, first.held);
  expect(later).toMatchObject({ starts: [], wait_ms: 40 });
  expect(plan({ waiting: 100, capacity: 100, load: 88, now: 1_000_100 }, later.held).starts).toHaveLength(12);
});

test('places are not gathered beyond what makes a wave', () => {
  expect(plan({ waiting: 100, capacity: 100, load: 50 }).starts).toHaveLength(50);
  expect(plan({ waiting: 100, capacity: 8, load: 4 }).starts).toHaveLength(4);
});

test.each([
  ['all that waits can start', { waiting: 3, capacity: 100, load: 50 }],
  ['nothing runs whose end could make more room', { waiting: 100, capacity: 3, load: 0 }],
  ['the tasks have workflows of their own', { waiting: 100, capacity: 100, load: 97, batchable: false }],
  ['they take too long for waves', { waiting: 100, capacity: 100, load: 97, p90_s: 30 }],
])('starts wait for nothing when %s', (_, world) => {
  const { starts, held, wait_ms } = plan(world);
  expect(starts.length).toBe(Math.min(world.waiting, world.capacity - world.load));
  expect([held.size, wait_ms]).toEqual([0, null]);
});

const kinds = fc.array(
  fc.record({
    batchable: fc.boolean(),
    p90_s: fc.constantFrom(null, 0.05, 1.2, 5),
    waiting: fc.integer({ min: 0, max: 12 }),
    admitted: fc.integer({ min: 0, max: 12 }),
    unread: fc.boolean(),
    since: fc.option(fc.integer({ min: 0, max: 250 })),
  }),
  { minLength: 1, maxLength: 4 },
);

test('every start is made or held back, whole groups together, and none for longer than a tenth of a second', () => {
  fc.assert(
    fc.property(kinds, fc.integer({ min: 0, max: 40 }), (groups, load) => {
      const now = 5_000;
      const candidates = groups.flatMap(({ batchable, p90_s, admitted }, g) =>
        Array.from({ length: admitted }, (_, i) => ({ uuid: `${g}-${i}`, queue: 'q', need: `n${g}`, batchable, p90_s })),
      ) as unknown as Candidate[];
      const admissions = candidates.map(({ uuid, queue, need }) => ({ uuid, queue, need, worker: 'w' }));
      const refusals = groups.flatMap(({ waiting }, g) => (waiting > 0 ? [{ uuid: `${g}-x`, queue: 'q', need: `n${g}`, gates: [] }] : []));
      const more = groups.flatMap(({ unread }, g) => (unread ? [`q\nn${g}`] : []));
      const held = new Map(groups.flatMap(({ since }, g) => (since === null ? [] : [[`q\nn${g}`, now - since] as const])));
      const snapshot = { now, candidates, queues: [{ ...QUEUE, name: 'q', capacity: 100, current_load: load }] } as unknown as Snapshot;
      const planned = planStarts({
        snapshot,
        decisions: { admissions, refusals } as unknown as Decisions,
        more: new Set(more),
        held,
        most: 50,
      });
      const started = new Set(planned.starts.map(({ uuid }) => uuid));
      for (const [g, { batchable, p90_s, admitted, waiting, unread }] of groups.entries()) {
        const n = [...started].filter((uuid) => uuid.startsWith(`${g}-`)).length;
        const kept = planned.held.get(`q\nn${g}`);
        expect(n).toBe(kept === undefined ? admitted : 0);
        if (kept === undefined) continue;
        expect(now - kept).toBeLessThan(100);
        expect((waiting > 0 || unread) && load > 0 && waveSize({ batchable, p90_s }, 50) >= WAVE_LEAST).toBe(true);
      }
      expect(planned.wait_ms === null).toBe(planned.held.size === 0);
    }),
    { numRuns: 300 },
  );
});
