import fc from 'fast-check';
import { localDays, splitByHours, startOfDay } from '../../../core/detection/days.ts';
import { complianceOf, HOUR_MS } from '../../../core/detection/statistics.ts';

const hours = (zone: string, date: string): number => {
  const [day] = localDays(zone, date, date);
  return ((day?.end ?? 0) - (day?.start ?? 0)) / HOUR_MS;
};

it('days are as long as the zone makes them', () => {
  expect([hours('Europe/Berlin', '2026-03-29'), hours('Europe/Berlin', '2026-10-25'), hours('Europe/Berlin', '2026-06-01')]).toEqual([
    23, 25, 24,
  ]);
  expect(hours('Australia/Lord_Howe', '2026-04-05')).toBe(24.5);
  expect(new Date(startOfDay('Asia/Kolkata', '2026-01-02')).toISOString()).toBe('2026-01-01T18:30:00.000Z');
});

it('a day whose midnight does not exist begins after the jump', () => {
  expect(new Date(startOfDay('America/Santiago', '2026-09-06')).toISOString()).toBe('2026-09-06T04:00:00.000Z');
  expect(hours('America/Santiago', '2026-09-06')).toBe(23);
});

const ZONES = ['UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Apia', 'Asia/Kathmandu'];
const text = (day: number) => new Date(day * 24 * HOUR_MS).toISOString().slice(0, 10);

/** Fails where pieces leave a gap, overlap, or do not end where the stretch does. */
function expectTiles(pieces: readonly (readonly [number, number])[], { start, end }: { start: number; end: number }): void {
  const at = pieces.toSorted((a, b) => a[0] - b[0]).flat();
  const borders = start === end && at.length === 0 ? [] : [start, ...at, end];
  expect(borders.filter((_, i) => i % 2 === 0)).toEqual(borders.filter((_, i) => i % 2 === 1));
}

it('days follow each other without gap or overlap, and hours and parts make up each of them', () => {
  const many = fc.tuple(fc.constantFrom(...ZONES), fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 40 }));
  fc.assert(
    fc.property(many, ([zone, from, count]) => {
      const days = localDays(zone, text(from), text(from + count - 1));
      expect(days).toHaveLength(count);
      expectTiles(
        days.map(({ start, end }) => [start, end] as const),
        { start: days[0]?.start ?? 0, end: days.at(-1)?.end ?? 0 },
      );
      for (const day of days) {
        const { hours: whole, parts } = splitByHours(day);
        expectTiles(whole ? [...parts, whole] : parts, day);
        expect((whole ?? []).every((at) => at % HOUR_MS === 0)).toBe(true);
      }
    }),
  );
});

it('refuses unknown zones and impossible ranges', () => {
  expect(() => localDays('Mars/Olympus', '2026-01-01', '2026-01-01')).toThrow('IANA');
  expect(() => localDays('UTC', '2026-01-02', '2026-01-01')).toThrow('expected a date from 2026-01-02 on');
  expect(() => localDays('UTC', '2026-01-01', '2027-03-01')).toThrow('at most 400 days');
});

it('compliance is the share of person-frames without a violation, and unknown where nobody was seen', () => {
  expect(complianceOf({ person_frames: 0, violating_person_frames: 0 })).toBeNull();
  expect(complianceOf({ person_frames: 40, violating_person_frames: 10 })).toBe(0.75);
});
