import fc from 'fast-check';
import { compileRule, nextFires, occurrencesAfter, previousFire, type RuleText, refuseNever, runs } from '../../core/occurrences.ts';
import { offsetAt } from '../../core/zones.ts';

const rule = (cron: string, more: Partial<RuleText> = {}) =>
  compileRule({ cron, seconds: false, timezone: 'Europe/Berlin', dst_gap: 'shift', dst_overlap: 'first', ...more });

/** `instant local ordinal dst` of all occurrences in a range. */
const listed = (cron: string, [from, until]: [string, string], more: Partial<RuleText> = {}): string[] =>
  [...occurrencesAfter(rule(cron, more), Date.parse(from), Date.parse(until))].map(
    ({ at, local, ordinal, dst }) => `${new Date(at).toISOString().slice(5, 16)} ${local.slice(5, 16)} ${ordinal} ${dst ?? '-'}`,
  );

const SPRING: [string, string] = ['2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z'];
const AUTUMN: [string, string] = ['2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z'];

describe('a time that clocks jump over', () => {
  it('fires at the first instant after the gap', () => {
    expect(listed('30 2 * * *', SPRING)).toEqual(['03-29T01:00 03-29T02:30 1 shifted']);
  });
  it('is only noted where the schedule says skip', () => {
    expect(listed('30 2 * * *', SPRING, { dst_gap: 'skip' })).toEqual(['03-29T01:00 03-29T02:30 1 skipped']);
  });
  it('is one fire, however many times of the gap the rule names, and none beside a time that is there', () => {
    expect(listed('*/20 2 * * *', SPRING)).toEqual(['03-29T01:00 03-29T02:00 1 shifted']);
    expect(listed('0,30 2,3 * * *', SPRING)).toEqual(['03-29T01:00 03-29T03:00 1 -', '03-29T01:30 03-29T03:30 1 -']);
    expect(listed('0,30 2,3 * * *', SPRING, { dst_gap: 'skip' })[0]).toBe('03-29T01:00 03-29T03:00 1 -');
  });
  it('does not concern rules that run every hour', () => {
    expect(listed('0 * * * *', ['2026-03-28T23:30:00Z', '2026-03-29T02:30:00Z'])).toEqual([
      '03-29T00:00 03-29T01:00 1 -',
      '03-29T01:00 03-29T03:00 1 -',
      '03-29T02:00 03-29T04:00 1 -',
    ]);
  });
  it('may be half an hour or a whole day long', () => {
    const lord = { timezone: 'Australia/Lord_Howe' };
    expect(listed('15 2 * * *', ['2026-10-03T00:00:00Z', '2026-10-04T00:00:00Z'], lord)).toEqual(['10-03T15:30 10-04T02:15 1 shifted']);
    const apia = { timezone: 'Pacific/Apia' };
    expect(listed('0 12 * * *', ['2011-12-29T23:00:00Z', '2011-12-31T00:00:00Z'], apia)).toEqual([
      '12-30T10:00 12-30T12:00 1 shifted',
      '12-30T22:00 12-31T12:00 1 -',
    ]);
  });
});

describe('a time that comes twice', () => {
  it.each([
    ['first', ['10-25T00:30 10-25T02:30 1 -', '10-25T01:30 10-25T02:30 2 repeated']],
    ['last', ['10-25T00:30 10-25T02:30 1 repeated', '10-25T01:30 10-25T02:30 2 -']],
    ['both', ['10-25T00:30 10-25T02:30 1 -', '10-25T01:30 10-25T02:30 2 -']],
  ] as const)('fires as the policy %s says, the other is noted', (dst_overlap, expected) => {
    expect(listed('30 2 * * *', AUTUMN, { dst_overlap })).toEqual(expected);
  });
  it('fires twice, in order, by rules that run every hour', () => {
    expect(listed('*/30 * * * *', ['2026-10-24T23:45:00Z', '2026-10-25T02:00:00Z']).map((line) => line.slice(0, 25))).toEqual([
      '10-25T00:00 10-25T02:00 1',
      '10-25T00:30 10-25T02:30 1',
      '10-25T01:00 10-25T02:00 2',
      '10-25T01:30 10-25T02:30 2',
      '10-25T02:00 10-25T03:00 1',
    ]);
  });
  it('in Lord Howe lasts half an hour', () => {
    const lord = { timezone: 'Australia/Lord_Howe' };
    expect(listed('0,45 1 * * *', ['2026-04-04T12:00:00Z', '2026-04-05T00:00:00Z'], lord)).toEqual([
      '04-04T14:00 04-05T01:00 1 -',
      '04-04T14:45 04-05T01:45 1 -',
      '04-04T15:15 04-05T01:45 2 repeated',
    ]);
  });
});

describe('rules', () => {
  it('join restricted dates and weekdays by or, as crontab does', () => {
    const days = nextFires(rule('0 0 13 * 5', { timezone: 'UTC' }), { after: Date.UTC(2026, 1, 1), count: 5 });
    expect(days.map(({ local }) => local.slice(5, 10))).toEqual(['02-06', '02-13', '02-20', '02-27', '03-06']);
  });
  it('may count from the epoch instead', () => {
    const fires = nextFires(rule('@every 90m/10m'), { after: Date.UTC(2026, 0, 1), count: 3 });
    expect(fires.map(({ at }) => at % 5_400_000)).toEqual([600_000, 600_000, 600_000]);
  });
  it('find 29 February of a far year, and refuse a day that never comes', () => {
    expect(nextFires(rule('0 0 29 2 *'), { after: Date.UTC(2097, 0, 1), count: 1 })[0]?.local).toBe('2104-02-29T00:00:00');
    expect(() => refuseNever(rule('0 0 31 4,6 *'), Date.UTC(2026, 0, 1))).toThrow(/cron "0 0 31 4,6 \*"/);
  });
  it('know the fire before', () => {
    expect(previousFire(rule('30 2 * * *'), Date.parse('2026-03-29T01:00:00Z'))?.local).toBe('2026-03-28T02:30:00');
    expect(previousFire(rule('0 0 29 2 *'), Date.UTC(2027, 0, 1))?.local).toBe('2024-02-29T00:00:00');
  });
});

const DAY = 86_400_000;
const zones = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'America/Santiago',
  'Asia/Kolkata',
);
const crons = fc.constantFrom(
  '30 2 * * *',
  '*/20 * * * *',
  '*/20 1-3 * * *',
  '0 0 * * *',
  '59 23 * * 6,0',
  '0 */2 * * *',
  '15 0,1,2,3 * * *',
);
const starts = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2037, 0, 1) }).map((at) => Math.floor(at / 1000) * 1000);
const rules = fc.record({
  cron: crons,
  timezone: zones,
  dst_gap: fc.constantFrom('shift' as const, 'skip' as const),
  dst_overlap: fc.constantFrom('first' as const, 'both' as const, 'last' as const),
});

test('occurrences rise, and where one starts to look does not matter', () => {
  fc.assert(
    fc.property(rules, starts, fc.integer({ min: 1, max: 40 }), ({ cron, ...text }, start, days) => {
      const it = rule(cron, text);
      const whole = [...occurrencesAfter(it, start, start + days * DAY)];
      expect(whole.map(({ at }) => at)).toEqual([...new Set(whole.map(({ at }) => at))].sort((a, b) => a - b));
      const middle = whole[Math.floor(whole.length / 2)]?.at ?? start;
      const parts = [...occurrencesAfter(it, start, middle), ...occurrencesAfter(it, middle, start + days * DAY)];
      expect(parts).toEqual(whole);
    }),
    { numRuns: 300 },
  );
});

test('what is neither shifted nor skipped is the wall time that it says, and policies change nothing but what runs', () => {
  fc.assert(
    fc.property(rules, starts, ({ cron, ...text }, start) => {
      const { timezone } = text;
      const until = start + 200 * DAY;
      const found = [...occurrencesAfter(rule(cron, text), start, until)];
      for (const { at, local, dst } of found) {
        if (dst === 'shifted' || dst === 'skipped') expect(offsetAt(timezone, at)).not.toBe(offsetAt(timezone, at - 1000));
        else expect(new Date(at + offsetAt(timezone, at)).toISOString().slice(0, 19)).toBe(local);
      }
      const others = [...occurrencesAfter(rule(cron, { timezone, dst_gap: 'shift', dst_overlap: 'both' }), start, until)];
      expect(found.map(({ at }) => at)).toEqual(others.map(({ at }) => at));
      expect(found.filter(runs).length).toBeLessThanOrEqual(others.length);
    }),
    { numRuns: 25 },
  );
}, 60_000);
