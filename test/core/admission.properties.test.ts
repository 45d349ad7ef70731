import fc from 'fast-check';
import { type Amount, type Candidate, closedGates, decideAdmissions, needKey, type Snapshot } from '../../core/admission.ts';

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
});
const candidates = fc.array(candidate, { maxLength: 25 }).map((list) =>
  list.map(
    (c, i): Candidate => ({
      ...c,
      uuid: `task-${String(i).padStart(2, '0')}`,
      need: needKey(c.engine, c.amount.cpu_milli / 1000, c.amount.memory_mb),
    }),
  ),
);
const snapshots: fc.Arbitrary<Snapshot> = fc.record({ queues, pools, workers, candidates });
const limits = fc.constantFrom(1, 3, 1000);

const of = (snapshot: Snapshot, uuid: string): Candidate => snapshot.candidates.find((c) => c.uuid === uuid) as Candidate;
const poolOf = (snapshot: Snapshot, c: Candidate): string => snapshot.queues.find((q) => q.name === c.queue)?.pool as string;
const sum = (list: readonly Candidate[]): Amount => ({
  cpu_milli: list.reduce((s, c) => s + c.amount.cpu_milli, 0),
  memory_mb: list.reduce((s, c) => s + c.amount.memory_mb, 0),
});

/** The snapshot as it is after the decisions; written on its own, not with the code under test. */
function applied(snapshot: Snapshot, limit: number): Snapshot {
  const decisions = decideAdmissions(snapshot, limit);
  const chosen = decisions.map((d) => ({ worker: d.worker, task: of(snapshot, d.uuid) }));
  const grow = <T extends { used: Amount }>(thing: T, mine: readonly Candidate[]): T => {
    const added = sum(mine);
    const used = { cpu_milli: thing.used.cpu_milli + added.cpu_milli, memory_mb: thing.used.memory_mb + added.memory_mb };
    return { ...thing, used };
  };
  const tasks = (keep: (c: (typeof chosen)[number]) => boolean) => chosen.filter(keep).map((c) => c.task);
  return {
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
        const now = applied(snapshot, limit);
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
        const rest = applied(snapshot, 1000);
        for (const task of rest.candidates) expect(closedGates(task, rest)).not.toEqual([]);
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

  it('is not swayed by misfits: without them it decides the same', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const able = snapshot.candidates.filter((c) => closedGates(c, snapshot).length === 0);
        expect(decideAdmissions({ ...snapshot, candidates: able }, 1000)).toEqual(decideAdmissions(snapshot, 1000));
      }),
      RUNS,
    );
  });

  it('agrees with the gates that are shown: a task alone is admitted exactly when none is closed', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        for (const task of snapshot.candidates) {
          const alone = decideAdmissions({ ...snapshot, candidates: [task] }, 1);
          expect(alone.length === 1).toBe(closedGates(task, snapshot).length === 0);
        }
      }),
      RUNS,
    );
  });
});
