import fc from 'fast-check';
import { needKey } from '../../core/admission.ts';
import type { Amount, Candidate, Snapshot } from '../../core/admission-state.ts';
import { fairNeed, startCost } from '../../core/fair-share.ts';
import { afterPass, decideAdmissions, NOW, of, roomy, snapshots } from './arbitrary-snapshot.ts';

const limits = fc.constantFrom(1, 3, 1000);
const plain = (need: string): string => need.split('|user ')[0] as string;
const inOrder = (a: Candidate, b: Candidate) => a.vtime - b.vtime || (a.uuid < b.uuid ? -1 : 1);

describe('token buckets in an admission', () => {
  it('are taken from only as far as they go, and what was taken counts in the next pass', () => {
    let taken = 0;
    fc.assert(
      fc.property(snapshots.map(roomy), limits, (snapshot, limit) => {
        const before = new Map(snapshot.buckets.map((bucket) => [bucket.name, bucket.full_at]));
        const changed = afterPass(snapshot, limit).buckets.filter(({ name, full_at }) => before.get(name) !== full_at);
        for (const { burst, interval_us, full_at } of changed) expect(full_at).toBeLessThanOrEqual(NOW * 1000 + burst * interval_us);
        taken += changed.length;
      }),
      { numRuns: 1_000 },
    );
    expect(taken).toBeGreaterThan(200);
  });

  it('that are not there are empty', () => {
    fc.assert(
      fc.property(snapshots.map(roomy), (snapshot) => {
        for (const { uuid } of decideAdmissions(snapshot, 1000)) expect(of(snapshot, uuid).bucket).not.toBe('gone');
      }),
    );
  });

  it('hide nobody: what lacks a token changes nothing for the others', () => {
    fc.assert(
      fc.property(fc.oneof(snapshots, snapshots.map(roomy)), limits, (snapshot, limit) => {
        const others = { ...snapshot, candidates: snapshot.candidates.filter(({ bucket }) => bucket !== 'gone') };
        expect(decideAdmissions(others, limit)).toEqual(decideAdmissions(snapshot, limit));
      }),
      { numRuns: 10_000 },
    );
  });
});

const SIZES = [
  { cpu_milli: 500, memory_mb: 512 },
  { cpu_milli: 1500, memory_mb: 16 },
];

/** One fair queue with tasks of two sizes, in which whatever fits may start: so that usage decides between many equals. */
const open = (snapshot: Snapshot): Snapshot => ({
  ...roomy(snapshot),
  candidates: snapshot.candidates.map((c) => {
    const amount = SIZES[c.vtime % SIZES.length] as Amount;
    return {
      ...c,
      queue: 'qa',
      engine: 'shell',
      amount,
      need: fairNeed(needKey('shell', amount.cpu_milli, amount.memory_mb), 'user', c.user),
    };
  }),
  queues: roomy(snapshot).queues.map((queue) => ({ ...queue, policy: 'best_effort', fairness: 'user' })),
});

type Line = { snapshot: Snapshot; queue: Snapshot['queues'][number]; started: Candidate[]; waiting: Candidate[] };

const linesOf = (snapshot: Snapshot, limit: number): Line[] => {
  const chosen = new Set(decideAdmissions(snapshot, limit).map((d) => d.uuid));
  return snapshot.queues.map((queue) => {
    const mine = snapshot.candidates.filter((c) => c.queue === queue.name);
    const waiting = mine.filter((c) => !chosen.has(c.uuid) && c.bucket === null);
    return { snapshot, queue, waiting, started: mine.filter((c) => chosen.has(c.uuid)).sort(inOrder) };
  });
};

function usageOf({ snapshot, queue }: Line, user: number, starts: readonly Candidate[]): number {
  const total = snapshot.pools.find((pool) => pool.name === queue.pool)?.total as Amount;
  const before = snapshot.shares.find((share) => share.queue === queue.name && share.user === user)?.usage ?? 0;
  return starts.filter((c) => c.user === user).reduce((sum, c) => sum + startCost(c.amount, total), before);
}

/** The usage of another user before the last start that an equal of a waiting task could have had instead, and that of its own user at the end. */
function comparisons(line: Line): [other: number, own: number][] {
  return line.waiting.flatMap((task) => {
    const equals = line.started.filter((c) => plain(c.need) === plain(task.need) && c.user !== task.user);
    return equals.map((last): [number, number] => {
      const earlier = line.started.slice(0, line.started.indexOf(last));
      return [usageOf(line, last.user, earlier), usageOf(line, task.user, line.started)];
    });
  });
}

describe('a fair queue in an admission', () => {
  it('serves the user first who has used least, counting each start', () => {
    let compared = 0;
    fc.assert(
      fc.property(snapshots, limits, (snapshot, limit) => {
        for (const [other, own] of linesOf(open(snapshot), limit).flatMap(comparisons)) {
          compared += 1;
          expect(other).toBeLessThanOrEqual(own + 1e-9);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(compared).toBeGreaterThan(100);
  });

  it('serves the tasks of one user in the order of their vtime', () => {
    fc.assert(
      fc.property(snapshots, limits, (snapshot, limit) => {
        const pairs = linesOf(open(snapshot), limit).flatMap(({ started, waiting }) =>
          waiting.flatMap((task) => started.filter((c) => c.user === task.user && c.need === task.need).map((c) => [c.vtime, task.vtime])),
        );
        for (const [first, second] of pairs) expect(first).toBeLessThanOrEqual(second as number);
      }),
      { numRuns: 1_000 },
    );
  });
});
