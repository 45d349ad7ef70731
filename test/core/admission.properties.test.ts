import fc from 'fast-check';
import { decide, closedGates as lookAt, needKey } from '../../core/admission.ts';
import type { Amount, Candidate, Snapshot } from '../../core/admission-state.ts';

const closedGates = (task: Candidate, snapshot: Snapshot) => lookAt(task, snapshot).gates;
const decideAdmissions = (snapshot: Snapshot, limit: number) => decide(snapshot, limit).admissions;

const NOW = 600_000;
const ENGINES = ['shell', 'http', 'docker'];
const QUEUES = ['qa', 'qb', 'qc'];
const POOLS = ['pa', 'pb'];
const RUNS = { numRuns: 400 };

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
});
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
const snapshots: fc.Arbitrary<Snapshot> = fc.record({ queues, pools, workers, candidates, running }).map((all) => ({
  ...all,
  now: NOW,
  queues: all.queues as Snapshot['queues'],
  running:
    all.running?.map(({ ends: end, worker: n, ...held }, i) => ({ ...held, ...end, runid: `r${i}`, key: null, worker: `w${n}` })) ?? null,
}));

/** The same in one open pool, so that tasks wait for room rather than for anything else. */
const crowded = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  queues: snapshot.queues.map((q) => ({ ...q, pool: 'pa', status: 'active', reserve_after_s: 0 })),
  pools: snapshot.pools.map((p) => ({ ...p, status: 'active' })),
  workers: snapshot.workers.map((w) => ({ ...w, pool: 'pa', engines: ENGINES })),
  running: (snapshot.running ?? []).map((r) => ({ ...r, pool: 'pa' })),
});
const limits = fc.constantFrom(1, 3, 1000);

const of = (snapshot: Snapshot, uuid: string): Candidate => snapshot.candidates.find((c) => c.uuid === uuid) as Candidate;
const poolOf = (snapshot: Snapshot, c: Candidate): string => snapshot.queues.find((q) => q.name === c.queue)?.pool as string;
const sum = (list: readonly Candidate[]): Amount => ({
  cpu_milli: list.reduce((s, c) => s + c.amount.cpu_milli, 0),
  memory_mb: list.reduce((s, c) => s + c.amount.memory_mb, 0),
});

/** The snapshot as it is after the decisions; written on its own, not with the code under test. */
function afterPass(snapshot: Snapshot, limit: number): Snapshot {
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
  };
}

/** A total or capacity holds unless it was overdrawn before; then nothing may be added. */
const within = (before: number, now: number, limit: number): boolean => now <= limit || now === before;

function expectWithin(before: { used: Amount }, now: { used: Amount; total: Amount }): void {
  expect(within(before.used.cpu_milli, now.used.cpu_milli, now.total.cpu_milli)).toBe(true);
  expect(within(before.used.memory_mb, now.used.memory_mb, now.total.memory_mb)).toBe(true);
}

describe('decideAdmissions, whatever the snapshot', () => {
  it('never goes above a queue’s capacity, a pool’s total or a worker’s total', () => {
    fc.assert(
      fc.property(snapshots, limits, (snapshot, limit) => {
        const now = afterPass(snapshot, limit);
        now.queues.forEach((q, i) => {
          expect(within(snapshot.queues[i]?.current_load ?? 0, q.current_load, q.capacity)).toBe(true);
        });
        for (const kind of ['pools', 'workers'] as const) {
          now[kind].forEach((thing, i) => {
            expectWithin(snapshot[kind][i] as { used: Amount }, thing);
          });
        }
      }),
      RUNS,
    );
  });

  it('decides at most once for a task, for known tasks only, and never more than the limit', () => {
    fc.assert(
      fc.property(snapshots, limits, (snapshot, limit) => {
        const uuids = decideAdmissions(snapshot, limit).map((d) => d.uuid);
        expect(new Set(uuids).size).toBe(uuids.length);
        expect(uuids.length).toBeLessThanOrEqual(limit);
        for (const uuid of uuids) expect(of(snapshot, uuid)).toBeDefined();
      }),
      RUNS,
    );
  });

  it('places only on a worker of the task’s pool that offers its engine, and admits nothing on hold', () => {
    fc.assert(
      fc.property(snapshots, limits, (snapshot, limit) => {
        for (const { uuid, worker: id } of decideAdmissions(snapshot, limit)) {
          const task = of(snapshot, uuid);
          const chosen = snapshot.workers.find((w) => w.id === id);
          expect(chosen?.pool).toBe(poolOf(snapshot, task));
          expect(chosen?.engines).toContain(task.engine);
          expect(snapshot.queues.find((q) => q.name === task.queue)?.status).not.toBe('hold');
          expect(snapshot.pools.find((p) => p.name === poolOf(snapshot, task))?.status).not.toBe('hold');
        }
      }),
      RUNS,
    );
  });

  it('is a function of the snapshot: same answer again, in whatever order the rows come, and nothing changed', () => {
    fc.assert(
      fc.property(snapshots, limits, (snapshot, limit) => {
        const copy = structuredClone(snapshot);
        const first = decideAdmissions(snapshot, limit);
        expect(snapshot).toEqual(copy);
        const turned = {
          ...copy,
          queues: copy.queues.toReversed(),
          pools: copy.pools.toReversed(),
          workers: copy.workers.toReversed(),
          candidates: copy.candidates.toReversed(),
        };
        expect(decideAdmissions(turned, limit)).toEqual(first);
      }),
      RUNS,
    );
  });

  it('leaves nobody waiting who could start', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const { admissions } = decide(snapshot, 1000);
        const started = new Set(admissions.map(({ uuid }) => uuid));
        for (const task of snapshot.candidates) expect(closedGates(task, snapshot).length === 0).toBe(started.has(task.uuid));
      }),
      RUNS,
    );
  });

  it('writes down for each refused head what is shown for it', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        for (const { uuid, gates } of decide(snapshot, 1000).refusals) expect(closedGates(of(snapshot, uuid), snapshot)).toEqual(gates);
      }),
      RUNS,
    );
  });

  it('serves equals of one queue in the order of their vtime', () => {
    fc.assert(
      fc.property(snapshots, limits, (snapshot, limit) => {
        const chosen = new Set(decideAdmissions(snapshot, limit).map((d) => d.uuid));
        for (const a of snapshot.candidates.filter((c) => chosen.has(c.uuid))) {
          const equals = snapshot.candidates.filter((c) => c.queue === a.queue && c.need === a.need && !chosen.has(c.uuid));
          for (const b of equals) expect(a.vtime).toBeLessThanOrEqual(b.vtime);
        }
      }),
      RUNS,
    );
  });

  it('is not swayed by what can never start: without it it decides the same', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const lost = (c: Candidate) =>
          closedGates(c, { ...snapshot, candidates: [] }).some(({ gate }) => gate === 'no_worker' || gate === 'queue_status');
        const strict = new Set(snapshot.queues.filter((q) => q.policy === 'strict').map((q) => q.name));
        const able = snapshot.candidates.filter((c) => strict.has(c.queue) || !lost(c));
        expect(decideAdmissions({ ...snapshot, candidates: able }, 1000)).toEqual(decideAdmissions(snapshot, 1000));
      }),
      RUNS,
    );
  });

  it('starts nothing of a strict queue behind a task that waits, and keeps at most one reservation in a pool', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const { admissions, refusals, reservations } = decide(snapshot, 1000);
        const strict = new Set(snapshot.queues.filter((q) => q.policy === 'strict').map((q) => q.name));
        for (const { uuid, queue } of refusals.filter((r) => strict.has(r.queue))) {
          const started = admissions.map((a) => of(snapshot, a.uuid)).filter((c) => c.queue === queue);
          for (const task of started) expect(task.vtime).toBeLessThanOrEqual(of(snapshot, uuid).vtime);
        }
        expect(new Set(reservations.map((r) => r.pool)).size).toBe(reservations.length);
      }),
      RUNS,
    );
  });

  it('never lets what starts beside a reservation push back the latest start of the task that it is for', () => {
    let kept = 0;
    fc.assert(
      fc.property(snapshots, (any) => {
        const snapshot = crowded(any);
        const { admissions, reservations } = decide(snapshot, 1000);
        const began = admissions.map(({ uuid, worker }) => {
          const task = of(snapshot, uuid);
          const ends = {
            expected_end: NOW + Math.min(task.p90_s ?? task.timeout_s, task.timeout_s) * 1000,
            hard_end: NOW + task.timeout_s * 1000,
          };
          return { queue: task.queue, pool: poolOf(snapshot, task), worker, amount: task.amount, runid: uuid, key: null, ...ends };
        });
        const next = afterPass(snapshot, 1000);
        for (const { uuid, by } of reservations) {
          kept += 1;
          const later = decide({ ...next, running: [...(snapshot.running ?? []), ...began], candidates: [of(snapshot, uuid)] }, 1);
          expect(later.reservations[0]?.by).toBeLessThanOrEqual(by);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(kept).toBeGreaterThan(100);
  });

  it('agrees with the gates that are shown: a task alone is admitted exactly when none is closed', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        for (const task of snapshot.candidates) {
          const alone = decideAdmissions({ ...snapshot, candidates: [task] }, 1);
          expect(alone.length === 1).toBe(closedGates(task, { ...snapshot, candidates: [] }).length === 0);
        }
      }),
      RUNS,
    );
  });
});
