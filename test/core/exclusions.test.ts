import { parseExclusions } from '../../core/exclusions.ts';
import { compileRule, nextFires, occurrencesAfter, occurrencesPast, previousFire, refuseNever, runs } from '../../core/occurrences.ts';

const rule = (cron: string, exclude: string[], timezone = 'Europe/Berlin') =>
  compileRule({ cron, seconds: cron.split(' ').length === 6, timezone, dst_gap: 'shift', dst_overlap: 'first', exclude });
const at = (text: string): number => Date.parse(text);
const iso = (ms: number): string => new Date(ms).toISOString();

describe('days that a schedule leaves out', () => {
  it('are those of its own zone, each fire of them noted with the entry', () => {
    const daily = rule('30 0 * * *', ['2026-12-25']);
    const list = [...occurrencesAfter(daily, at('2026-12-23T12:00Z'), at('2026-12-26T12:00Z'))];
    expect(list.map((o) => [o.local, o.excluded ?? null, runs(o)])).toEqual([
      ['2026-12-24T00:30:00', null, true],
      ['2026-12-25T00:30:00', '2026-12-25', false],
      ['2026-12-26T00:30:00', null, true],
    ]);
  });

  it('may be ranges with both ends, and days of every year', () => {
    const daily = rule('0 12 * * *', ['2026-12-24/2026-12-26', '01-01']);
    const fires = nextFires(daily, { after: at('2026-12-23T00:00Z'), count: 8 });
    expect(fires.map(({ local }) => local.slice(5, 10))).toEqual(['12-23', '12-27', '12-28', '12-29', '12-30', '12-31', '01-02', '01-03']);
    expect(nextFires(daily, { after: at('2031-12-31T12:00Z'), count: 1 }).map(({ local }) => local)).toEqual(['2032-01-02T12:00:00']);
  });

  it('concern intervals too', () => {
    const every = rule('@every 6h', ['2026-06-02'], 'America/New_York');
    const fires = nextFires(every, { after: at('2026-06-01T23:00Z'), count: 3 });
    expect(fires.map(({ local }) => local)).toEqual(['2026-06-01T20:00:00', '2026-06-03T02:00:00', '2026-06-03T08:00:00']);
  });

  it('are stepped over, however many fires they have', () => {
    const seconds = rule('* * * * * *', ['2026-01-01/2026-12-31', '2027-01-01/2027-12-31']);
    const began = performance.now();
    expect(nextFires(seconds, { after: at('2025-12-31T22:59:58Z'), count: 2 }).map((o) => iso(o.at))).toEqual([
      '2025-12-31T22:59:59.000Z',
      '2027-12-31T23:00:00.000Z',
    ]);
    expect(iso(previousFire(seconds, at('2027-06-01T00:00Z'))?.at ?? 0)).toBe('2025-12-31T22:59:59.000Z');
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('show one fire of each stretch that is stepped over', () => {
    const hourly = rule('0 * * * *', ['2026-03-29'], 'Europe/Berlin');
    const list = [...occurrencesPast(hourly, at('2026-03-28T21:30Z'), at('2026-03-29T23:30Z'))];
    expect(list.map((o) => [o.local, o.excluded ?? null])).toEqual([
      ['2026-03-28T23:00:00', null],
      ['2026-03-29T00:00:00', '2026-03-29'],
      ['2026-03-30T00:00:00', null],
      ['2026-03-30T01:00:00', null],
    ]);
  });

  it('may not be all days on which it would fire', () => {
    expect(() => refuseNever(rule('0 0 25 12 *', ['12-25']), at('2026-01-01T00:00Z'))).toThrow('never fires');
  });

  it.each([
    ['2026-02-30', 'there is no day'],
    ['02-30', 'there is no day'],
    ['2026-13-01', 'there is no day'],
    ['2026-12-26/2026-12-24', 'before the first'],
    ['2026-01-01/2027-01-02', 'longer than 366 days'],
    ['12-24/12-26', 'expected a day'],
    ['2026-12-24/2026-12-25/2026-12-26', 'expected a day'],
    ['Christmas', 'expected a day'],
  ])('are refused: %s', (text, message) => {
    expect(() => parseExclusions(['2026-01-01', text])).toThrow(message);
    try {
      parseExclusions(['2026-01-01', text]);
    } catch (error) {
      expect((error as { errors: { pointer: string }[] }).errors[0]?.pointer).toBe('/exclude/1');
    }
  });

  it('leap days are days', () => {
    expect(parseExclusions(['02-29', '2028-02-29']).map(({ yearly }) => yearly)).toEqual([true, false]);
  });
});
