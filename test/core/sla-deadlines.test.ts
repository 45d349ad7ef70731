import fc from 'fast-check';
import { WEEKDAYS } from '../../core/sla.ts';
import { deadlinesBetween } from '../../core/sla-deadlines.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const EVERY_DAY = { days: WEEKDAYS, except: [] };
const iso = (at: number): string => new Date(at).toISOString();
const between = ([at, timezone]: readonly [string, string], [from, until]: readonly [string, string], calendar: object = {}): string[] =>
  deadlinesBetween({ at, timezone, calendar: { ...EVERY_DAY, ...calendar } }, Date.parse(from), Date.parse(until)).map(iso);

it.each<[string, string, string, string, string]>([
  [
    'a time that the clocks jump over is the first instant after the jump',
    '02:30',
    'Europe/Berlin',
    '2027-03-28',
    '2027-03-28T01:00:00.000Z',
  ],
  ['the day before the jump', '02:30', 'Europe/Berlin', '2027-03-27', '2027-03-27T01:30:00.000Z'],
  ['of a time that comes twice the first', '02:30', 'Europe/Berlin', '2027-10-31', '2027-10-31T00:30:00.000Z'],
  ['a jump of half an hour', '02:15', 'Australia/Lord_Howe', '2026-10-04', '2026-10-03T15:30:00.000Z'],
  ['midnight that is not there', '00:00', 'America/Sao_Paulo', '2018-11-04', '2018-11-04T03:00:00.000Z'],
  ['a zone of half hours', '07:00', 'Asia/Kolkata', '2026-07-01', '2026-07-01T01:30:00.000Z'],
])('%s', (...[, at, timezone, date, instant]) => {
  const midday = Date.parse(`${date}T12:00:00Z`);
  const found = between([at, timezone], [iso(midday - 1.5 * DAY), iso(midday + DAY)]);
  expect(found).toContain(instant);
  expect(new Set(found).size).toBe(found.length);
});

test('a calendar leaves out days of the week and dates, in local time', () => {
  const workdays = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], except: ['2026-12-25'] };
  expect(between(['00:30', 'Asia/Kolkata'], ['2026-12-23T00:00:00Z', '2026-12-29T00:00:00Z'], workdays)).toEqual([
    '2026-12-23T19:00:00.000Z',
    '2026-12-27T19:00:00.000Z',
    '2026-12-28T19:00:00.000Z',
  ]);
});

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'Asia/Kolkata', 'Africa/Casablanca'];

/** Wall time as text that can be compared, by the runtime's own calendar. */
function wallOf(timezone: string): (at: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, dateStyle: 'short', timeStyle: 'medium' });
  return (at) => format.format(at);
}

/** The first quarter of an hour at which clocks on the wall show the time or a later one: no knowledge of jumps is needed for that. */
function firstAtOrAfter(wall: (at: number) => string, wanted: string, from: number): number {
  for (let at = from; ; at += HOUR / 4) if (wall(at) >= wanted) return at;
}

it('there is one deadline for each local day: when the clocks on the wall first show the time, or a later one', () => {
  const input = fc.record({
    timezone: fc.constantFrom(...ZONES),
    quarter: fc.integer({ min: 0, max: 95 }),
    day: fc.integer({ min: Date.UTC(2010, 0, 1) / DAY, max: Date.UTC(2030, 0, 1) / DAY }),
  });
  fc.assert(
    fc.property(input, ({ timezone, quarter, day }) => {
      const at = `${String(Math.floor(quarter / 4)).padStart(2, '0')}:${String((quarter % 4) * 15).padStart(2, '0')}`;
      const wall = wallOf(timezone);
      const wanted = [day - 1, day, day + 1].map((n) => `${iso(n * DAY).slice(0, 10)} ${at}:00`);
      const expected = wanted.map((text, n) => firstAtOrAfter(wall, text, (day - 1 + n) * DAY - DAY));
      const found = deadlinesBetween({ at, timezone, calendar: EVERY_DAY }, (expected[0] as number) - 1, expected[2] as number);
      expect(found.map(iso)).toEqual(expected.map(iso));
    }),
    { numRuns: 300, examples: [[{ timezone: 'Europe/Berlin', quarter: 10, day: Date.UTC(2027, 2, 28) / DAY }]] },
  );
});
