import fc from 'fast-check';
import { type CatchUp, MOST_ROWS, planCatchUp } from '../../core/catch-up.ts';
import { inWords } from '../../core/cron-words.ts';
import { compileRule, type Occurrence } from '../../core/occurrences.ts';
import { decideOverlap, type Overlap } from '../../core/overlap.ts';
import { fillPlaceholders, jitterOf } from '../../core/placeholders.ts';

const compile = (cron: string, seconds = false, timezone = 'UTC') =>
  compileRule({ cron, seconds, timezone, dst_gap: 'shift', dst_overlap: 'first' });

describe('a rule that cannot be read', () => {
  it.each([
    ['0 0 1 * * *', false, 'with "seconds": true the first one is seconds'],
    ['0 0 * *', false, '4 fields given, expected 5'],
    ['0 0 * * *', true, '5 fields given, expected 6'],
    ['0 0 1 * * * 2030', true, '7 fields given'],
    ['60 * * * *', false, '0-59'],
    ['* 24 * * *', false, '0-23'],
    ['0 0 * * 8', false, '0-7'],
    ['5-1 * * * *', false, '5-1'],
    ['*/0 * * * *', false, '0'],
    ['H 0 * * *', false, 'jitter_s'],
    ['0 0 15W * *', false, 'day-of-month "15W": "W" (the weekday nearest'],
    ['0 0 LW * *', false, 'day-of-month "LW": "W"'],
    ['0 0 * * 5W', false, 'day-of-week "5W": "W"'],
    ['0 0 L-3 * *', false, 'day-of-month "L-3"'],
    ['0 H(0-7) * * *', false, 'hour "H(0-7)": "H"'],
    ['0 0 5C * *', false, 'day-of-month "5C"'],
    ['0 0 0 * L *', true, 'month "L"'],
    ['0 0 31 2 *', false, 'day of month'],
    ['@reboot', false, '@daily'],
    ['@every 5', false, '@every 15m'],
    ['@every 1m/1m', false, 'offset must be shorter'],
    ['every day', false, '2 fields'],
  ])('"%s" (seconds: %s) says why: %s', (cron, seconds, why) => {
    expect(() => compile(cron, seconds)).toThrow(
      expect.objectContaining({ code: 'invalid_input', errors: [{ pointer: '/cron', detail: expect.stringContaining(why) }] }),
    );
  });
  it.each(['+02:00', 'Mars/Olympus', '', 'Europe/Berlin; drop'])('has no zone "%s"', (zone) => {
    expect(() => compile('0 0 * * *', false, zone)).toThrow(
      expect.objectContaining({ errors: [expect.objectContaining({ pointer: '/timezone' })] }),
    );
  });
});

test.each([
  ['30 2 * * 1-5', 'At 02:30 on Monday to Friday, UTC time'],
  ['*/15 * * * *', 'Every 15 minutes, UTC time'],
  ['0 * * * *', 'At minute 0, UTC time'],
  ['0 9,17 1,15 * 5', 'At 09:00 and 17:00 on day 1 and 15 or Friday, UTC time'],
  ['0 0 L * *', 'At 00:00 on the last day, UTC time'],
  ['0 0 * * 1#2', 'At 00:00 on the second Monday, UTC time'],
  ['*/5 8-17 * 3-5 *', 'Every 5 minutes of hour 8 to 17 every day in March to May, UTC time'],
  ['@daily', 'At 00:00 every day, UTC time'],
  ['@every 90s', 'Every 90 seconds, counted from 1970-01-01T00:00:00Z'],
])('%s is in words: %s', (cron, words) => {
  expect(inWords(compile(cron))).toBe(words);
});

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 0, 2);
/** Fires so many minutes ago, oldest first. */
const ago = (...minutes: number[]): Occurrence[] =>
  minutes.map((minute) => ({ at: NOW - minute * MINUTE, local: '', ordinal: 1 as const, dst: null }));
const minutesOf = (occurrences: readonly { at: number }[]) => occurrences.map(({ at }) => (NOW - at) / MINUTE);

describe('fires that come late', () => {
  const plan = (policy: CatchUp['policy'], due: Occurrence[], more: Partial<CatchUp> = {}) =>
    planCatchUp(due, { policy, window_s: 3600, max: 2, ...more }, NOW);
  it('are all skipped by none, but one on time runs', () => {
    expect(minutesOf(plan('none', ago(20, 10, 0)).fire)).toEqual([0]);
    expect(minutesOf(plan('none', ago(20, 10, 0)).skip)).toEqual([20, 10]);
  });
  it('run once by last: the newest of all', () => {
    expect(minutesOf(plan('last', ago(30, 20, 10)).fire)).toEqual([10]);
    expect(minutesOf(plan('last', ago(20, 10, 0)).fire)).toEqual([0]);
    expect(minutesOf(plan('last', ago(120)).fire)).toEqual([]);
  });
  it('run oldest first by all, at most max of the window', () => {
    expect(minutesOf(plan('all', ago(90, 50, 40, 30, 0)).fire)).toEqual([40, 30, 0]);
    expect(minutesOf(plan('all', ago(90, 50, 40, 30, 0), { max: 10 }).skip)).toEqual([90]);
    expect(minutesOf(plan('all', ago(90, 50), { max: 0 }).fire)).toEqual([]);
  });
  it('share a row beyond a thousand, and none is lost or counted twice', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3_000 }),
        fc.constantFrom('none', 'last', 'all'),
        fc.integer({ min: 0, max: 50 }),
        (n, policy, max) => {
          const due = ago(...Array.from({ length: n }, (_, i) => n - i));
          const { fire, skip, aggregate } = planCatchUp(due, { policy, window_s: 6_000, max }, NOW);
          expect(fire.length + skip.length + (aggregate?.count ?? 0)).toBe(n);
          expect(skip.length).toBeLessThanOrEqual(MOST_ROWS);
          if (aggregate && skip[0]) expect(aggregate.until.at).toBeLessThan(skip[0].at);
          expect(minutesOf([...skip, ...fire])).toEqual([...minutesOf([...skip, ...fire])].sort((a, b) => b - a));
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('fires that meet earlier tasks', () => {
  const decide = (policy: Overlap['policy'], live: number, waiting: number) => decideOverlap({ policy, max: 2 }, { live, waiting });
  it('run when nothing is under way, whatever the policy', () => {
    for (const policy of ['skip', 'queue_one', 'queue_all', 'cancel_running', 'allow'] as const) expect(decide(policy, 0, 0)).toBe('run');
  });
  it('do what the policy says, and never overtake those that wait', () => {
    expect([decide('skip', 1, 0), decide('cancel_running', 1, 0)]).toEqual(['skip', 'cancel']);
    expect([decide('queue_one', 1, 0), decide('queue_one', 1, 1), decide('queue_one', 0, 1)]).toEqual(['wait', 'skip', 'skip']);
    expect([decide('queue_all', 1, 1), decide('queue_all', 1, 2), decide('queue_all', 0, 1)]).toEqual(['wait', 'skip', 'wait']);
    expect([decide('allow', 1, 0), decide('allow', 2, 0)]).toEqual(['run', 'skip']);
  });
});

test('placeholders are filled in texts at any depth, and nothing else is touched', () => {
  const values = { nominal_at: 'N', nominal_local: 'L', data_start: 'S', data_end: 'E' };
  expect(
    fillPlaceholders({ a: '{{nominal_at}}/{{ data_start }}', b: [{ c: '{{data_end}}' }, 3, null], '{{nominal_at}}': '{{other}}' }, values),
  ).toEqual({
    a: 'N/S',
    b: [{ c: 'E' }, 3, null],
    '{{nominal_at}}': '{{other}}',
  });
  expect(fillPlaceholders('{{nominal_at}}', { ...values, nominal_at: '$&$1' })).toBe('$&$1');
});

test('jitter is the same each time, within its bound, and spreads schedules', () => {
  const ids = Array.from({ length: 1_000 }, (_, i) => `0199a000-0000-7000-8000-${String(i).padStart(12, '0')}`);
  const delays = ids.map((id) => jitterOf(id, 60));
  expect(ids.map((id) => jitterOf(id, 60))).toEqual(delays);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...delays)).toBeLessThan(60_000);
  const perTenth = Array.from({ length: 10 }, (_, tenth) => delays.filter((delay) => Math.floor(delay / 6_000) === tenth).length);
  expect(Math.min(...perTenth)).toBeGreaterThan(60);
  expect(jitterOf(ids[0] as string, 0)).toBe(0);
});
