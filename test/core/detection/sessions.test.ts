import fc from 'fast-check';
import { type DetectedObject, type Frame, frameOf, type Sighting } from '../../../core/detection/frame.ts';
import { FrameSet } from '../../../core/detection/frame-set.ts';
import { parseMot } from '../../../core/detection/mot.ts';
import { isSampled } from '../../../core/detection/sampling.ts';
import { type JudgedFrame, judgeFrames, NEW_SESSION, type SessionRules, type SessionState } from '../../../core/detection/session.ts';
import { hourOf, minuteOf, tallyMinutes } from '../../../core/detection/statistics.ts';
import { DEFAULT_LIFE } from '../../../core/detection/violations.ts';
import { describeWithTracks, tudCampusLines } from '../../support/track-files.ts';

const RULES: SessionRules = { ...DEFAULT_LIFE, interval: 10, min_iou: 0.3 };
const START = Date.UTC(2026, 0, 1, 12);
const FRAME_MS = 40;

const bare: Sighting = { type: 'no_hairnet', confidence: 0.9, severity: 'medium', zone: null };

type Run = { state: SessionState; judged: JudgedFrame[]; ids: number };

/** Judges frames in the batches given, each batch as a later call would. State travels as JSON, as it does through the database. */
function run(batches: readonly Frame[][], rules: Partial<SessionRules> = {}): Run {
  let ids = 0;
  let state = NEW_SESSION;
  const judged: JudgedFrame[] = [];
  for (const batch of batches) {
    const step = judgeFrames(state, batch, { ...RULES, ...rules, newId: () => `v${++ids}` });
    state = JSON.parse(JSON.stringify(step.state)) as SessionState;
    judged.push(...step.judged);
  }
  return { state, judged, ids };
}

const causes = ({ judged }: Run) =>
  judged.flatMap(({ frame, changes }) =>
    changes.filter(({ cause }) => cause !== 'seen').map(({ cause, violation }) => `${frame.frame_number} ${cause} ${violation.id}`),
  );

/** A person in frame `n`, violating or not, by track or by box. */
const person = (track_id: string | null, violations: Sighting[] = [bare], left = 0): DetectedObject => ({
  track_id,
  label: 'person',
  score: 0.8,
  box: [left, 0, 50, 100],
  violations,
});
const at = (frame_number: number, objects: DetectedObject[], ms = START + frame_number * FRAME_MS): Frame =>
  frameOf(frame_number, ms, objects);

describeWithTracks('TUD-Campus', () => {
  const frames = (violations: Sighting[]): Frame[] =>
    parseMot(tudCampusLines()).frames.map(({ frame_number, objects }) =>
      frameOf(
        frame_number,
        START + (frame_number - 1) * FRAME_MS,
        objects.map((object) => ({ ...object, violations })),
      ),
    );

  it('with every tenth frame gives 8 records with 40 persons, and 359 person-frames', () => {
    const { judged } = run([frames([])]);
    const saved = judged.filter(({ saved_for }) => saved_for !== null);
    expect(saved.map(({ frame }) => frame.frame_number)).toEqual([1, 11, 21, 31, 41, 51, 61, 71]);
    expect(saved.reduce((sum, { frame }) => sum + frame.person_count, 0)).toBe(40);
    const minutes = tallyMinutes(judged, RULES.min_confidence);
    expect(minutes).toMatchObject([{ minute: START, frames: 71, person_frames: 359, violating_person_frames: 0 }]);
    expect(minutes[0]?.tracks).toHaveLength(8);
  });

  it('with every track violating has exactly 8 violations, however it is cut and whatever the batches', () => {
    for (const size of [1, 7, 71]) {
      const all = frames([bare]);
      const batches = Array.from({ length: Math.ceil(71 / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
      const result = run(batches);
      expect(result.ids).toBe(8);
      expect(result.state.life.open.map(({ track_id }) => track_id).sort()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
      expect(result.judged.filter(({ saved_for }) => saved_for === 'sample')).toHaveLength(8);
      expect(tallyMinutes(result.judged, 0.5)[0]).toMatchObject({ person_frames: 359, violating_person_frames: 359 });
    }
  });
});

describe('a violation', () => {
  it('opens with the third sighting within five frames, and with that frame becomes a record', () => {
    const seen = [true, true, false, false, false, true, false, true, true];
    const result = run([seen.map((violates, i) => at(i + 1, [person('a', violates ? [bare] : [])]))]);
    expect(causes(result)).toEqual(['9 opened v1']);
    expect(result.judged.map(({ saved_for }) => saved_for)).toEqual(['sample', null, null, null, null, null, null, null, 'change']);
    expect(result.state.life.open).toMatchObject([
      { opened_frame: 9, first_ms: START + 6 * FRAME_MS, last_ms: START + 9 * FRAME_MS, frames: 3 },
    ]);
  });

  it('does not open below the least confidence', () => {
    const weak = { ...bare, confidence: 0.49 };
    const result = run([Array.from({ length: 9 }, (_, i) => at(i, [person('a', [weak])]))]);
    expect(result.ids).toBe(0);
    expect(tallyMinutes(result.judged, RULES.min_confidence)[0]?.violating_person_frames).toBe(0);
  });

  it('goes on over a gap of 40 s and ends after a longer one', () => {
    const again = (ms: number) =>
      run([[1, 2, 3].map((n) => at(n, [person('a')], START + n)), [4, 5, 6].map((n) => at(n, [person('a')], START + ms + n - 1))]);
    expect(causes(again(40_000))).toEqual(['3 opened v1']);
    expect(causes(again(40_001))).toEqual(['3 opened v1', '4 ended v1', '6 opened v2']);
  });

  it('is one for each person and kind', () => {
    const gloves = { ...bare, type: 'no_gloves' };
    const result = run([[1, 2, 3, 4].map((n) => at(n, [person('a', [bare, gloves]), person('b', [gloves, gloves])]))]);
    expect(result.state.life.open.map(({ type, track_id }) => `${type} ${track_id}`).sort()).toEqual([
      'no_gloves a',
      'no_gloves b',
      'no_hairnet a',
    ]);
  });

  it('keeps the greatest confidence, the worst severity, all zones and the last box', () => {
    const sightings: Sighting[] = [
      { ...bare, zone: 'door' },
      { ...bare, confidence: 0.6 },
      bare,
      { ...bare, confidence: 0.95, zone: 'door' },
      { ...bare, severity: 'critical' },
      { ...bare, severity: 'low', zone: 'oven' },
    ];
    const result = run([sightings.map((sighting, i) => at(i, [person('a', [sighting], i)]))]);
    expect(causes(result)).toEqual(['2 opened v1', '4 severity v1', '5 zone v1']);
    expect(result.state.life.open).toMatchObject([
      { confidence: 0.95, severity: 'critical', zones: ['door', 'oven'], box: [5, 0, 50, 100], frames: 6 },
    ]);
  });

  it('is widened by frames that come late, and never doubled', () => {
    const result = run([[10, 11, 12].map((n) => at(n, [person('a')])), [7, 8, 9].map((n) => at(n, [person('a')]))]);
    expect(result.ids).toBe(1);
    expect(result.state.life.open).toMatchObject([{ first_ms: START + 7 * FRAME_MS, last_ms: START + 12 * FRAME_MS, frames: 6 }]);
  });

  it('without track ids belongs to whoever the box fits', () => {
    const step = (n: number) => at(n, [person(null, [bare], n * 5), person(null, [bare], 500 - n * 5), person(null, [], 1_000)]);
    const result = run([[1, 2, 3, 4, 5, 6].map(step)]);
    expect(result.state.life.open.map(({ track_id }) => track_id)).toEqual(['~1', '~2']);
    expect(new Set(result.judged.flatMap(({ objects }) => objects.map(({ track_id }) => track_id))).size).toBe(3);
  });

  it('of persons that are only counted is one', () => {
    const counted = (n: number, hairnet_violations: number): Frame => ({ ...at(n, []), person_count: 3, hairnet_violations });
    const result = run([[counted(1, 2), counted(2, 1), counted(3, 2), counted(4, 0)]]);
    expect(result.state.life.open).toMatchObject([{ track_id: '~counted', type: 'no_hairnet', box: null, frames: 3 }]);
    expect(tallyMinutes(result.judged, 0.5)[0]).toMatchObject({ person_frames: 12, violating_person_frames: 5, hairnet_violations: 5 });
  });

  it('keeps the state small, however many boxes nobody recognises', () => {
    const noise = Array.from({ length: 60 }, (_, n) =>
      at(
        n,
        Array.from({ length: 50 }, (_, i) => person(null, [], n * 100_000 + i * 1_000)),
      ),
    );
    expect(run([noise]).state.tracker.subjects.length).toBeLessThanOrEqual(1_000);
  });
});

describe('properties', () => {
  const objects = fc.array(
    fc.record({
      track_id: fc.constantFrom('a', 'b', null),
      violates: fc.boolean(),
      left: fc.integer({ min: 0, max: 300 }),
      confidence: fc.constantFrom(0.3, 0.5, 0.9),
    }),
    { maxLength: 4 },
  );
  const frames = fc
    .uniqueArray(fc.record({ number: fc.nat(400), objects, pause: fc.constantFrom(0, 0, 0, 30_000, 50_000) }), {
      minLength: 1,
      selector: ({ number }) => number,
    })
    .map((list) => {
      let ms = START;
      return list
        .sort((a, b) => a.number - b.number)
        .map(({ number, objects: seen, pause }) => {
          ms += FRAME_MS + pause;
          return frameOf(
            number,
            ms,
            seen.map(({ track_id, violates, left, confidence }) => person(track_id, violates ? [{ ...bare, confidence }] : [], left)),
          );
        });
    });

  it('the answer does not depend on how frames are cut into batches', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (all, cuts) => {
        const whole = run([all]);
        const batches: Frame[][] = [];
        for (let from = 0, i = 0; from < all.length; i += 1) {
          const size = cuts[i % cuts.length] ?? 1;
          batches.push(all.slice(from, from + size));
          from += size;
        }
        const cut = run(batches);
        expect(cut.state).toEqual(JSON.parse(JSON.stringify(whole.state)));
        expect(cut.judged.map(({ saved_for }) => saved_for)).toEqual(whole.judged.map(({ saved_for }) => saved_for));
        expect(causes(cut)).toEqual(causes(whole));
      }),
    );
  });

  it('no identity has two open violations of a kind, and each is ended once at most', () => {
    fc.assert(
      fc.property(frames, (all) => {
        const result = run([all]);
        const ids = (cause: string) => causes(result).flatMap((line) => (line.split(' ')[1] === cause ? [line.split(' ')[2] ?? ''] : []));
        const ended = new Set(ids('ended'));
        expect(ended.size).toBe(ids('ended').length);
        expect(result.state.life.open.map(({ id }) => id).sort()).toEqual(
          ids('opened')
            .filter((id) => !ended.has(id))
            .sort(),
        );
        const keys = result.state.life.open.map(({ type, track_id }) => `${type} ${track_id}`);
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });

  it('minutes add up to all frames and persons, and are half open', () => {
    fc.assert(
      fc.property(frames, (all) => {
        const { judged } = run([all]);
        const minutes = tallyMinutes(judged, 0.5);
        const sum = (of: (m: (typeof minutes)[number]) => number) => minutes.reduce((total, m) => total + of(m), 0);
        expect(sum((m) => m.frames)).toBe(all.length);
        expect(sum((m) => m.person_frames)).toBe(all.reduce((total, { person_count }) => total + person_count, 0));
        for (const { violating_person_frames, person_frames } of minutes)
          expect(violating_person_frames).toBeLessThanOrEqual(person_frames);
      }),
    );
    expect([minuteOf(START - 1), minuteOf(START), hourOf(START - 1), hourOf(START + 3_599_999)]).toEqual([
      START - 60_000,
      START,
      START - 3_600_000,
      START,
    ]);
  });

  it('sampling takes each n-th number from the first on, in both directions', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 50 }), fc.nat(500), (first, interval, step) => {
        expect(isSampled(first + step, first, interval)).toBe(step % interval === 0);
        expect(isSampled(first, first + step, interval)).toBe(step % interval === 0);
      }),
    );
  });

  it('a set of frames takes each once, as any set does, also through its blocks', () => {
    const number = fc.oneof(fc.nat(10_000), fc.integer({ min: 0, max: 2 ** 40 }));
    fc.assert(
      fc.property(fc.array(fc.array(number)), (batches) => {
        const model = new Set<number>();
        let stored: [number, Buffer][] = [];
        for (const batch of batches) {
          const set = new FrameSet(stored);
          expect(batch.map((n) => set.add(n))).toEqual(batch.map((n) => !model.has(n) && Boolean(model.add(n))));
          stored = [...new Map([...stored, ...set.changed().map(({ block, bits }) => [block, bits] as const)])];
          expect(stored.every(([, bits]) => bits.length === 512)).toBe(true);
        }
      }),
    );
  });
});
