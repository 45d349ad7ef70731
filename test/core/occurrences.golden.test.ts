import { Cron } from 'croner';
import { compileRule, occurrencesAfter, runs } from '../../core/occurrences.ts';

const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Asia/Kolkata',
  'America/St_Johns',
  'Africa/Casablanca',
];

/** Rules of every kind, many of them at hours at which clocks are moved somewhere. */
const RULES = [
  '30 2 * * *',
  '0 2 * * *',
  '15 1 * * 0',
  '45 2,3 1-7 * *',
  '0 * * * *',
  '0 0 * * *',
  '0 12 13 * 5',
  '59 23 L * *',
  '0 0 * * 1#2',
  '30 1 * * 5L',
];

/**
 * Where we differ from croner on purpose. On 30 December 2011 Samoa skipped a whole day: we fire at the first instant after a gap, whatever its
 * length; croner drops fires of a day that is not there. On 2 April 2011 there, 03:45 came twice: we fire at the first time, as everywhere;
 * croner fires twice where the hour is one of a list.
 */
const PERMITTED = new Set(['Pacific/Apia 2011-12-30T10:00:00.000Z', 'Pacific/Apia 2011-04-02T14:45:00.000Z']);

const iso = (at: number): string => new Date(at).toISOString();

function ours(cron: string, timezone: string, [from, to]: readonly [number, number]): string[] {
  const rule = compileRule({ cron, seconds: false, timezone, dst_gap: 'shift', dst_overlap: 'first' });
  return [...occurrencesAfter(rule, from - 1, to - 1)].filter(runs).map(({ at }) => iso(at));
}

function theirs(cron: string, timezone: string, [from, to]: readonly [number, number]): string[] {
  const job = new Cron(cron, { timezone });
  const found: string[] = [];
  for (let next = job.nextRun(new Date(from - 1000)); next && next.getTime() < to; next = job.nextRun(next)) found.push(next.toISOString());
  return found;
}

/** Fires that only one of the two has, without the permitted ones. */
function differences(cron: string, timezone: string, year: number): string[] {
  const range = [Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1)] as const;
  const [mine, other] = [new Set(ours(cron, timezone, range)), new Set(theirs(cron, timezone, range))];
  const apart = [...[...mine].filter((at) => !other.has(at)), ...[...other].filter((at) => !mine.has(at))];
  return apart.filter((at) => !PERMITTED.has(`${timezone} ${at}`));
}

describe.each(ZONES)('a year in %s', (zone) => {
  it.each(RULES)('fires "%s" when an independent library does', (cron) => {
    expect(differences(cron, zone, 2026)).toEqual([]);
    expect(ours(cron, zone, [Date.UTC(2026, 0, 1), Date.UTC(2027, 0, 1)]).length).toBeGreaterThan(5);
  });
});

test.each(['30 2 * * *', '45 2,3 1-7 * *', '0 12 13 * 5', '59 23 L * *', '0 * * * *'])(
  'fires "%s" in the year in which Samoa lost a day',
  (cron) => {
    expect(differences(cron, 'Pacific/Apia', 2011)).toEqual([]);
  },
);

test.each(['Australia/Lord_Howe', 'Europe/Berlin'])('every quarter of an hour keeps elapsed time in %s', (zone) => {
  expect(differences('*/15 * * * *', zone, 2026)).toEqual([]);
});

test('a permitted difference is one: without the list it would be found', () => {
  const range = [Date.UTC(2011, 0, 1), Date.UTC(2012, 0, 1)] as const;
  expect(ours('30 2 * * *', 'Pacific/Apia', range)).toContain('2011-12-30T10:00:00.000Z');
  expect(theirs('30 2 * * *', 'Pacific/Apia', range)).not.toContain('2011-12-30T10:00:00.000Z');
  expect(theirs('45 2,3 1-7 * *', 'Pacific/Apia', range)).toContain('2011-04-02T14:45:00.000Z');
});
