import fc from 'fast-check';
import { decide, needKey } from '../../core/admission.ts';
import type { Amount, Candidate, Snapshot } from '../../core/admission-state.ts';
import { fairNeed } from '../../core/fair-share.ts';

/** Milliseconds. */
export const NOW = 600_000;
export const ENGINES = ['shell', 'http', 'docker'];
const QUEUES = ['qa', 'qb', 'qc'];
const POOLS = ['pa', 'pb'];

const cpu = fc.constantFrom(0, 100, 500, 1000, 1500, 3000);
const memory = fc.constantFrom(0, 16, 512, 2048);
const amounts = fc.record({ cpu_milli: cpu, memory_mb: memory });
const status = fc.constantFrom('active', 'active', 'active', 'hold', 'drain');

/** A holder may be used beyond its total: it was shrunk while work was under way. */
const holder = { total: amounts.map((a) => ({ cpu_milli: a.cpu_milli * 3, memory_mb: a.memory_mb * 3 })), used: amounts };

const queues = fc.tuple(
  ...QUEUES.map((name) =>
    fc.record({
      name: fc.constant(name),
      pool: fc.constantFrom(...POOLS),
      status,
      capacity: fc.integer({ min: 0, max: 6 }),
      current_load: fc.integer({ min: 0, max: 4 }),
      priority: fc.integer({ min: 0, max: 100 }),
      step_s: fc.constantFrom(0, 1, 60),
      policy: fc.constantFrom('backfill', 'backfill', 'strict', 'best_effort'),
      reserve_after_s: fc.constantFrom(0, 60),
      strict_priority: fc.constantFrom(false, false, true),
      bucket: fc.constantFrom(null, null, null, 'bq'),
      fairness: fc.constantFrom('none', 'none', 'user'),
    }),
  ),
);
const pools = fc.tuple(...POOLS.map((name) => fc.record({ name: fc.constant(name), status, ...holder })));
const worker = fc.record({ pool: fc.constantFrom(...POOLS), engines: fc.subarray(ENGINES), ...holder });
const workers = fc.array(worker, { maxLength: 5 }).map((list) => list.map((w, i) => ({ id: `w${i}`, ...w })));
const candidate = fc.record({
  queue: fc.constantFrom(...QUEUES),
  engine: fc.constantFrom(...ENGINES),
  amount: amounts,
  vtime: fc.integer({ min: 0, max: 600_000 }),
  eligible_at: fc.integer({ min: 0, max: NOW }),
  timeout_s: fc.constantFrom(10, 100, 3600),
  p90_s: fc.constantFrom(null, null, 1, 50),
  user: fc.constantFrom(1, 2, 3),
  bucket: fc.constantFrom(null, null, 'b1', 'b2', 'gone'),
});
const buckets = fc.tuple(
  ...['bq', 'b1', 'b2'].map((name) =>
    fc.record({
      name: fc.constant(name),
      burst: fc.integer({ min: 1, max: 3 }),
      interval_us: fc.constantFrom(1_000, 7_000_000),
      full_at: fc.integer({ min: NOW - 1_000, max: NOW + 15_000 }).map((ms) => ms * 1000),
    }),
  ),
);
const shares = fc.tuple(
  ...[1, 2].map((user) =>
    fc.record({ queue: fc.constantFrom(...QUEUES), user: fc.constant(user), usage: fc.integer({ min: 0, max: 20 }) }),
  ),
);
const candidates = fc.array(candidate, { maxLength: 25 }).map((list) =>
  list.map(
    (c, i): Candidate => ({
      ...c,
      key: null,
      uuid: `task-${String(i).padStart(2, '0')}`,
      need: needKey(c.engine, c.amount.cpu_milli / 1000, c.amount.memory_mb),
    }),
  ),
);
const ends = fc
  .record({ expected_end: fc.integer({ min: NOW + 1, max: NOW + 50_000 }), more: fc.integer({ min: 0, max: 50_000 }) })
  .map(({ expected_end, more }) => ({ expected_end, hard_end: expected_end + more }));
const running = fc.option(
  fc.array(fc.record({ queue: fc.constantFrom(...QUEUES), pool: fc.constantFrom(...POOLS), amount: amounts, ends, worker: fc.nat(4) }), {
    maxLength: 6,
  }),
);
/** Any state that an admission may find. */
export const snapshots: fc.Arbitrary<Snapshot> = fc.record({ queues, pools, workers, candidates, running, buckets, shares }).map((all) => ({
  ...all,
  candidates: all.candidates.map((c) => ({ ...c, need: fairNeed(c.need, fairnessOf(all, c), c.user) })),
  now: NOW,
  queues: all.queues as Snapshot['queues'],
  running:
    all.running?.map(({ ends: end, worker: n, ...held }, i) => ({ ...held, ...end, runid: `r${i}`, key: null, worker: `w${n}` })) ?? null,
}));

const fairnessOf = ({ queues: lines }: { queues: { name: string; fairness: string }[] }, { queue }: Candidate) =>
  lines.find(({ name }) => name === queue)?.fairness === 'user' ? 'user' : 'none';

export const decideAdmissions = (snapshot: Snapshot, limit: number) => decide(snapshot, limit).admissions;

export const of = (snapshot: Snapshot, uuid: string): Candidate => snapshot.candidates.find((c) => c.uuid === uuid) as Candidate;
export const poolOf = (snapshot: Snapshot, c: Candidate): string => snapshot.queues.find((q) => q.name === c.queue)?.pool as string;
const sum = (list: readonly Candidate[]): Amount => ({
  cpu_milli: list.reduce((s, c) => s + c.amount.cpu_milli, 0),
  memory_mb: list.reduce((s, c) => s + c.amount.memory_mb, 0),
});

/** The snapshot as it is after the decisions; written on its own, not with the code under test. */
export function afterPass(snapshot: Snapshot, limit: number): Snapshot {
  const decisions = decideAdmissions(snapshot, limit);
  const chosen = decisions.map((d) => ({ worker: d.worker, task: of(snapshot, d.uuid) }));
  const grow = <T extends { used: Amount }>(thing: T, mine: readonly Candidate[]): T => {
    const added = sum(mine);
    const used = { cpu_milli: thing.used.cpu_milli + added.cpu_milli, memory_mb: thing.used.memory_mb + added.memory_mb };
    return { ...thing, used };
  };
  const tasks = (keep: (c: (typeof chosen)[number]) => boolean) => chosen.filter(keep).map((c) => c.task);
  return {
    ...snapshot,
    queues: snapshot.queues.map((q) => ({ ...q, current_load: q.current_load + tasks((c) => c.task.queue === q.name).length })),
    pools: snapshot.pools.map((p) =>
      grow(
        p,
        tasks((c) => poolOf(snapshot, c.task) === p.name),
      ),
    ),
    workers: snapshot.workers.map((w) =>
      grow(
        w,
        tasks((c) => c.worker === w.id),
      ),
    ),
    candidates: snapshot.candidates.filter((c) => !decisions.some((d) => d.uuid === c.uuid)),
    buckets: snapshot.buckets.map((b) => {
      const starts = tasks(({ task }) => [task.bucket, snapshot.queues.find((q) => q.name === task.queue)?.bucket].includes(b.name)).length;
      return { ...b, full_at: Math.max(b.full_at, starts > 0 ? snapshot.now * 1000 : 0) + starts * b.interval_us };
    }),
  };
}

/** The same in one open pool of 6 cores and two workers, so that a good part can start. */
export const roomy = (snapshot: Snapshot): Snapshot => {
  const nothing = { cpu_milli: 0, memory_mb: 0 };
  const half = { cpu_milli: 3_000, memory_mb: 4_000 };
  return {
    ...snapshot,
    queues: snapshot.queues.map((q) => ({ ...q, pool: 'pa', status: 'active', capacity: 5, current_load: 0 })),
    pools: snapshot.pools.map((p) => ({ ...p, status: 'active', total: { cpu_milli: 6_000, memory_mb: 8_000 }, used: nothing })),
    workers: ['w0', 'w1'].map((id) => ({ id, pool: 'pa', engines: ENGINES, total: half, used: nothing })),
    running: [],
  };
};
