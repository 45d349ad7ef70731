import { decide } from '../../core/admission.ts';
import type { Candidate, Snapshot } from '../../core/admission-state.ts';
import { search } from './model/run.ts';
import { RULES, type Rules } from './model/world.ts';

const HUGE = { cpu_milli: 1e9, memory_mb: 1e9 };

/** An admission that sees something else than what is there. */
const blind = (change: (snapshot: Snapshot) => Partial<Snapshot>): Partial<Rules> => ({
  decide: (snapshot, limit) => decide({ ...snapshot, ...change(snapshot) }, limit),
});
const each = (change: (candidate: Candidate) => Partial<Candidate>) => (snapshot: Snapshot) => ({
  candidates: snapshot.candidates.map((candidate) => ({ ...candidate, ...change(candidate) })),
});
const first = (a: Candidate, b: Candidate) => a.vtime - b.vtime;

/** Slips that somebody could make, and what must give each away. */
const FAULTS: [name: string, fault: Partial<Rules>, finding: RegExp][] = [
  ['decides on what was read without a lock', { locks: false }, /capacity|more than it has|hold|waiting|equal|pushed/],
  ['asks no fence', { fence: false }, /superseded/],
  ['ends what has ended', { final: false }, /twice|counter|load/],
  ['frees a place that a waiting task never had', { cancel_waiting_frees: true }, /load|counter/],
  ['queues a lost task without ending its instance', { ends_lost: false }, /live instance/],
  ['keeps the place of a key', { key_returns: false }, /counts/],
  ['forgets the limit of a key', { key_limits: false }, /more than its limit/],
  ['takes no token', { takes_tokens: false }, /taken/],
  ['sees buckets full', blind((s) => ({ buckets: s.buckets.map((b) => ({ ...b, full_at: 0 })) })), /taken/],
  ['forgets what users have used', blind(() => ({ shares: [] })), /used more/],
  ['looks at the first tasks only', blind((s) => ({ candidates: s.candidates.toSorted(first).slice(0, 2) })), /left waiting/],
  ['lets a misfit dismiss its whole queue', blind(each(() => ({ need: 'same' }))), /left waiting|equal/],
  ['forgets the capacity of queues', blind((s) => ({ queues: s.queues.map((q) => ({ ...q, capacity: 1e9 })) })), /capacity/],
  ['trusts the pool’s sum', blind((s) => ({ workers: s.workers.map((w) => ({ ...w, total: HUGE })) })), /worker holds more/],
  ['forgets memory', blind(each(({ amount }) => ({ amount: { ...amount, memory_mb: 0 } }))), /more than it has/],
  ['forgets the pool', blind((s) => ({ pools: s.pools.map((p) => ({ ...p, total: HUGE })) })), /more than it has/],
  ['starts on hold', blind((s) => ({ queues: s.queues.map((q) => ({ ...q, status: 'active' })) })), /hold/],
  ['serves the last first', blind(each(({ vtime }) => ({ vtime: -vtime }))), /equal|waiting/],
  ['keeps room for nobody', blind((s) => ({ queues: s.queues.map((q) => ({ ...q, policy: 'best_effort' })) })), /pushed back|equal/],
  ['believes that tasks are short', blind(each(() => ({ timeout_s: 1 }))), /pushed back/],
];

describe('a fault that is planted in the admission', () => {
  it.each(FAULTS)('is found: it %s', (_name, fault, finding) => {
    expect(search({ ...RULES, ...fault }, { runs: 20_000, seed: 5 })).toMatch(finding);
  });
});
