import { decide, closedGates as lookAt, needKey } from '../../core/admission.ts';
import type { Candidate, Snapshot } from '../../core/admission-state.ts';
import { EngineError } from '../../core/errors.ts';

const amount = (cpu_milli: number, memory_mb: number) => ({ cpu_milli, memory_mb });
const NONE = amount(0, 0);
const closedGates = (task: Candidate, of: Snapshot) => lookAt(task, of).gates;
const decideAdmissions = (of: Snapshot, limit: number) => decide(of, limit).admissions;

const LINE = { policy: 'backfill', reserve_after_s: 120, strict_priority: false, bucket: null, fairness: 'none' } as const;

/** A snapshot of one pool of 4 cores and 4,096 MB with the queue `q` and two workers of half of it. */
function snapshot(change: Partial<Snapshot> = {}): Snapshot {
  return {
    queues: [{ name: 'q', pool: 'p', status: 'active', capacity: 10, current_load: 0, priority: 50, step_s: 60, ...LINE }],
    now: 1_000_000,
    running: [],
    buckets: [],
    shares: [],
    pools: [{ name: 'p', status: 'active', total: amount(4000, 4096), used: NONE }],
    workers: ['w1', 'w2'].map((id) => ({ id, pool: 'p', total: amount(2000, 2048), used: NONE, engines: ['shell', 'http'] })),
    candidates: [],
    ...change,
  };
}

const FRESH = { vtime: 0, eligible_at: 1_000_000, timeout_s: 3600, p90_s: null, key: null, user: 1, bucket: null };

const candidate = (uuid: string, change: Partial<Candidate> = {}): Candidate => {
  const { engine, amount: size } = { engine: 'shell', amount: amount(1000, 100), ...change };
  return { uuid, queue: 'q', engine, amount: size, need: needKey(engine, size.cpu_milli / 1000, size.memory_mb), ...FRESH, ...change };
};

const queue = (change: object = {}) => [{ ...(snapshot().queues[0] as Snapshot['queues'][number]), ...change }];
const pool = (change: object = {}) => [{ ...(snapshot().pools[0] as Snapshot['pools'][number]), ...change }];
const admitted = (of: Snapshot, limit = 100) => decideAdmissions(of, limit).map((a) => a.uuid);
const gates = (task: Candidate, of: Snapshot) => closedGates(task, of).map((gate) => gate.gate);

describe('decideAdmissions', () => {
  it('admits the lowest vtime first', () => {
    const candidates = [candidate('c', { vtime: 3 }), candidate('a', { vtime: 1 }), candidate('b', { vtime: 2 })];
    expect(admitted(snapshot({ candidates }), 2)).toEqual(['a', 'b']);
  });

  it('breaks a tie by uuid', () => {
    expect(admitted(snapshot({ candidates: [candidate('b'), candidate('a')] }), 1)).toEqual(['a']);
  });

  it('lets an urgent queue go ahead by its priority times its step', () => {
    const queues = [...queue({ name: 'slow', priority: 50 }), ...queue({ name: 'fast', priority: 51, step_s: 10 })];
    const waited = (ms: number) => [candidate('s', { queue: 'slow', vtime: 0 }), candidate('f', { queue: 'fast', vtime: ms })];
    expect(admitted(snapshot({ queues, candidates: waited(9_999) }), 1)).toEqual(['f']);
    expect(admitted(snapshot({ queues, candidates: waited(10_001) }), 1)).toEqual(['s']);
  });

  it('takes no token for the head of a strict queue that is closed', () => {
    const buckets = [{ name: 'b', burst: 1, interval_us: 1_000_000, full_at: 0 }];
    const queues = [...queue({ name: 'shut', policy: 'strict', current_load: 10 }), ...queue({ name: 'open' })];
    const candidates = [candidate('s', { queue: 'shut', bucket: 'b' }), candidate('o', { queue: 'open', bucket: 'b', vtime: 1 })];
    expect(admitted(snapshot({ queues, candidates, buckets }))).toEqual(['o']);
  });

  it('starts a task whose turn in a fair queue comes with a start, though room was kept for a later one', () => {
    const queues = [...queue({ name: 'plain', reserve_after_s: 0 }), ...queue({ name: 'fair', fairness: 'user', policy: 'best_effort' })];
    const running = [
      { queue: 'plain', pool: 'p', worker: 'w1', amount: amount(2000, 1), runid: 'r', key: null, expected_end: 2e6, hard_end: 2e6 },
    ];
    const workers = snapshot().workers.map((worker) => (worker.id === 'w1' ? { ...worker, used: amount(2000, 1) } : worker));
    const long = candidate('long', { queue: 'fair', vtime: 1, user: 2, need: 'long', amount: amount(1500, 1) });
    const large = candidate('large', { queue: 'plain', vtime: 2, amount: amount(3500, 1), need: 'large' });
    const short = candidate('short', { queue: 'fair', vtime: 3, timeout_s: 60, need: 'short', amount: amount(500, 1) });
    const total = [{ ...(workers[0] as Snapshot['workers'][number]), total: amount(4000, 2048) }, ...workers.slice(1)];
    const pools = pool({ total: amount(4500, 4096), used: amount(2000, 1) });
    const shares = [{ queue: 'fair', user: 2, usage: 0.1 }];
    const of = snapshot({ queues, running, workers: total, pools, shares, candidates: [long, large, short] });
    expect(admitted(of)).toEqual(['short', 'long']);
    expect(gates(long, of)).toEqual([]);
    expect(admitted({ ...of, candidates: [long, large] })).toEqual(['long']);
  });

  it('never places two tasks of 1.5 cores on one worker of 2', () => {
    const candidates = ['a', 'b', 'c'].map((id) => candidate(id, { amount: amount(1500, 1) }));
    const decisions = decideAdmissions(snapshot({ candidates, pools: pool({ total: amount(100_000, 100_000) }) }), 100);
    expect(decisions).toHaveLength(2);
    expect(new Set(decisions.map((d) => d.worker)).size).toBe(2);
  });

  it('fits vectors: memory alone keeps a task out as well as cores do', () => {
    const candidates = [candidate('a', { amount: amount(1, 2048) }), candidate('b', { amount: amount(1, 2048) })];
    expect(admitted(snapshot({ candidates: [...candidates, candidate('c', { amount: amount(1, 1), vtime: 9 })] }))).toEqual(['a', 'b']);
  });

  it('places on the fullest worker that fits, so that large gaps stay', () => {
    const workers = [
      { id: 'empty', pool: 'p', total: amount(2000, 2048), used: NONE, engines: ['shell'] },
      { id: 'half', pool: 'p', total: amount(2000, 2048), used: amount(1000, 0), engines: ['shell'] },
    ];
    const candidates = [candidate('small'), candidate('large', { amount: amount(2000, 1), vtime: 1 })];
    expect(decideAdmissions(snapshot({ workers, candidates }), 100)).toMatchObject([
      { uuid: 'small', worker: 'half' },
      { uuid: 'large', worker: 'empty' },
    ]);
  });

  it('places only where the engine is offered', () => {
    const workers = ['http', 'shell'].map((engine) => ({
      id: engine,
      pool: 'p',
      total: amount(2000, 2048),
      used: NONE,
      engines: [engine],
    }));
    const candidates = ['a', 'b', 'c'].map((id) => candidate(id));
    expect(decideAdmissions(snapshot({ workers, candidates }), 100).map((d) => d.worker)).toEqual(['shell', 'shell']);
  });

  it('uses no worker of another pool', () => {
    const workers = [{ id: 'w', pool: 'other', total: amount(9000, 9000), used: NONE, engines: ['shell'] }];
    const pools = [...pool(), ...pool({ name: 'other' })];
    expect(admitted(snapshot({ workers, pools, candidates: [candidate('a')] }))).toEqual([]);
  });

  it('lets a misfit dismiss its equals, and nobody else', () => {
    const misfits = Array.from({ length: 1000 }, (_, i) => candidate(`m${i}`, { amount: amount(3000, 1) }));
    expect(admitted(snapshot({ candidates: [...misfits, candidate('fits', { vtime: 5 })] }))).toEqual(['fits']);
  });

  it('does not let a misfit of one queue dismiss the same need in another', () => {
    const queues = [...queue({ name: 'full', capacity: 0 }), ...queue({ name: 'free' })];
    const candidates = [candidate('a', { queue: 'full' }), candidate('b', { queue: 'free', vtime: 1 })];
    expect(admitted(snapshot({ queues, candidates }))).toEqual(['b']);
  });

  it('admits from a draining queue and pool what they hold already', () => {
    expect(admitted(snapshot({ queues: queue({ status: 'drain' }), candidates: [candidate('a')] }))).toEqual(['a']);
    expect(admitted(snapshot({ pools: pool({ status: 'drain' }), candidates: [candidate('a')] }))).toEqual(['a']);
  });

  it('admits a task that needs nothing even where nothing is free', () => {
    const pools = pool({ used: amount(4000, 4096) });
    expect(admitted(snapshot({ pools, candidates: [candidate('a', { amount: NONE })] }))).toEqual(['a']);
  });

  it('refuses a snapshot that lacks the queue of a candidate', () => {
    expect(() => decideAdmissions(snapshot({ candidates: [candidate('a', { queue: 'none' })] }), 1)).toThrow(EngineError);
  });
});

describe('closedGates', () => {
  it('are none when the task could start', () => {
    expect(closedGates(candidate('a'), snapshot())).toEqual([]);
  });

  const workers = snapshot().workers;
  it.each<[string, Partial<Candidate>, Partial<Snapshot>, string[]]>([
    ['a queue on hold', {}, { queues: queue({ status: 'hold' }) }, ['queue_status']],
    ['a full queue', {}, { queues: queue({ current_load: 10 }) }, ['queue_capacity']],
    ['a queue shrunk below its load', {}, { queues: queue({ capacity: 1, current_load: 3 }) }, ['queue_capacity']],
    ['a pool on hold', {}, { pools: pool({ status: 'hold' }) }, ['pool_status']],
    ['too few cores', {}, { pools: pool({ used: amount(3500, 0) }) }, ['pool_cpu']],
    ['too little memory', {}, { pools: pool({ used: amount(0, 4000) }) }, ['pool_memory']],
    ['no worker at all', {}, { workers: [] }, ['no_worker']],
    ['no worker with the engine', { engine: 'docker' }, {}, ['no_worker']],
    ['no worker that is large enough', { amount: amount(3000, 1) }, {}, ['no_worker']],
    ['no worker with room', {}, { workers: workers.map((w) => ({ ...w, used: amount(1500, 0) })) }, ['worker_room']],
    [
      'everything at once',
      { engine: 'docker', amount: amount(9000, 9000) },
      { queues: queue({ status: 'hold', capacity: 0 }), pools: pool({ status: 'hold' }) },
      ['queue_status', 'queue_capacity', 'pool_status', 'pool_cpu', 'pool_memory', 'no_worker'],
    ],
  ])('name %s', (...[, task, state, expected]) => {
    expect(gates(candidate('a', task), snapshot(state))).toEqual(expected);
  });

  it('say what there is and what it takes, in cores and MB', () => {
    const of = snapshot({ pools: pool({ used: amount(3500, 4000) }) });
    expect(closedGates(candidate('a'), of)).toEqual([
      { gate: 'pool_cpu', subject: 'pool p', have: 0.5, need: 1, detail: 'pool "p" has 0.5 cores free, 1 are needed' },
      { gate: 'pool_memory', subject: 'pool p', have: 96, need: 100, detail: 'pool "p" has 96 MB free, 100 are needed' },
    ]);
  });

  it('distinguish a worker that is missing from one that is busy', () => {
    expect(closedGates(candidate('a', { engine: 'docker' }), snapshot())[0]?.detail).toBe('no live worker offers docker');
    expect(closedGates(candidate('a', { amount: amount(3000, 1) }), snapshot())[0]?.detail).toContain('no live worker is large enough');
  });
});

describe('needKey', () => {
  it('is equal only for equal engines and amounts', () => {
    expect(needKey('shell', 1, 100)).toBe(needKey('shell', 1, 100));
    const different = [needKey('shell', 1, 100), needKey('http', 1, 100), needKey('shell', 2, 100), needKey('shell', 1, 101)];
    expect(new Set(different).size).toBe(4);
  });
});
