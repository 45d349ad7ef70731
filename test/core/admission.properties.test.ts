import fc from 'fast-check';
import { decide, closedGates as lookAt } from '../../core/admission.ts';
import type { Amount, Candidate, Snapshot } from '../../core/admission-state.ts';
import { afterPass, decideAdmissions, ENGINES, NOW, of, poolOf, snapshots } from './arbitrary-snapshot.ts';

const closedGates = (task: Candidate, snapshot: Snapshot) => lookAt(task, snapshot).gates;

/** The same in one open pool, so that tasks wait for room rather than for anything else. */
const crowded = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  queues: snapshot.queues.map((q) => ({ ...q, pool: 'pa', status: 'active', reserve_after_s: 0, bucket: null })),
  candidates: snapshot.candidates.map((c) => ({ ...c, bucket: null })),
  pools: snapshot.pools.map((p) => ({ ...p, status: 'active' })),
  workers: snapshot.workers.map((w) => ({ ...w, pool: 'pa', engines: ENGINES })),
  running: (snapshot.running ?? []).map((r) => ({ ...r, pool: 'pa' })),
});
/** The same without token buckets and fairness. */
const plain = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  queues: snapshot.queues.map((q) => ({ ...q, bucket: null, fairness: 'none' })),
  candidates: snapshot.candidates.map((c) => ({ ...c, bucket: null })),
});

const RUNS = { numRuns: 400 };
const limits = fc.constantFrom(1, 3, 1000);

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
          const equals = snapshot.candidates.filter(
            (c) => c.queue === a.queue && c.need === a.need && c.bucket === a.bucket && !chosen.has(c.uuid),
          );
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
      fc.property(snapshots, (any) => {
        const snapshot = plain(any);
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
