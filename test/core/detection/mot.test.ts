import fc from 'fast-check';
import { parseMot } from '../../../core/detection/mot.ts';
import type { Recording } from '../../../core/detection/recording.ts';
import { describeWithTracks, tudCampusLines } from '../../support/track-files.ts';

const parse = (text: string): Recording => parseMot(text.split('\n'));
const counts = ({ frames }: Recording) => frames.map(({ frame_number, person_count }) => [frame_number, person_count]);
const errorsOf = (text: string): unknown => {
  try {
    parse(text);
  } catch (error) {
    return (error as { errors: unknown }).errors;
  }
  return [];
};

describeWithTracks('TUD-Campus', () => {
  const recording = parseMot(tudCampusLines());

  it('has 71 frames from 1 on, 8 tracks and 359 persons', () => {
    expect(recording.frames.map(({ frame_number }) => frame_number)).toEqual(Array.from({ length: 71 }, (_, i) => i + 1));
    expect(new Set(recording.frames.flatMap(({ objects }) => objects.map(({ track_id }) => track_id))).size).toBe(8);
    expect(recording.frames.reduce((sum, { person_count }) => sum + person_count, 0)).toBe(359);
    expect(recording.warnings).toEqual([]);
  });

  it('reads the same whatever the order of its lines', () => {
    const shuffled = tudCampusLines().toReversed();
    expect(counts(parseMot(shuffled))).toEqual(counts(recording));
  });
});

describe('track files', () => {
  it('of ten columns: a flag of 0 leaves a row out but not its frame', () => {
    const { frames, warnings } = parse('5,1,1,2,3,4,1,-1,-1,-1\n5,2,1,2,3,4,0,-1,-1,-1\n9,2,1,2,3,4,0,-1,-1,-1\n');
    expect(frames.map(({ frame_number, objects }) => [frame_number, objects.length])).toEqual([
      [5, 1],
      [9, 0],
    ]);
    expect(frames[0]?.objects[0]).toEqual({ track_id: '1', label: 'person', score: null, box: [1, 2, 3, 4], violations: [] });
    expect(warnings).toEqual(['2 rows are flagged as not to be considered and were left out']);
  });

  it('of ten columns may have positions in the world in the last three', () => {
    expect(counts(parse('1,1,88,99,61.08,218.56,1,4.4852,5.5016,0\n1,2,181,95,75.808,227.01,1,7.4,5.4283,0'))).toEqual([[1, 2]]);
  });

  it('of nine columns have classes, of which only pedestrians are persons', () => {
    const { frames } = parse('1,1,1,1,9,9,1,1,0.9\n1,2,1,1,9,9,1,3,1\n1,3,1,1,9,9,1,7,1\n1,4,1,1,9,9,0,8,0.2\n1,5,1,1,9,9,1,99,0.2');
    expect(frames[0]?.objects.map(({ label }) => label)).toEqual(['person', 'car', 'static_person', 'class_99']);
    expect(frames[0]?.person_count).toBe(1);
  });

  it('of detections have scores instead of flags, and no tracks', () => {
    const { frames } = parse('1,-1,1,1,9,9,0.9\n1,-1,5,1,9,9,0\n2,-1,5,1,9,9,-0.3\n3,-1,5,1,9,9,64.09');
    expect(frames.map(({ objects }) => objects.map(({ track_id, score }) => [track_id, score]))).toEqual([
      [
        [null, 0.9],
        [null, 0],
      ],
      [[null, -0.3]],
      [[null, 64.09]],
    ]);
  });

  it('of results say -1 for what they do not know', () => {
    const { frames } = parse('1,3,113.84,274.5,57.307,130.05,-1,-1,-1,-1');
    expect(frames[0]?.objects[0]).toMatchObject({ track_id: '3', score: null, box: [113.84, 274.5, 57.307, 130.05] });
  });

  it('may stop after the box, be separated by blanks, end with a separator, have a BOM, CRLF, comments and empty lines', () => {
    expect(counts(parse('\uFEFF1,1,-5,-2,9,9\r\n\r\n# comment\r\n3,1,1,1,9,9\r\n'))).toEqual([
      [1, 1],
      [3, 1],
    ]);
    expect(counts(parse('1 1 1 1 9 9 1\n2\t1\t1 1 9 9 1'))).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(counts(parse('1,1,1,1,9,9,1,\n2,1,1,1,9,9,,\n'))).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it('that repeat a track within a frame count it once, and say so', () => {
    const recording = parse('1,1,1,1,9,9,1\n1,1,2,2,9,9,1\n1,-1,2,2,9,9,1\n1,-1,2,2,9,9,1');
    expect(counts(recording)).toEqual([[1, 3]]);
    expect(recording.warnings).toEqual(['1 rows repeat a track within a frame and were left out']);
  });

  it('where every flag is 0 are taken to have none', () => {
    expect(counts(parse('1,1,1,1,9,9,0,-1,-1,-1\n2,1,1,1,9,9,0,-1,-1,-1'))).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it.each([
    ['1,1,abc,2,3,4,1', '/line/1/left', 'expected a number, got "abc"'],
    ['1,1,1,2,3,4\n\n1,2,1,2,3', '/line/3', 'expected 6 columns as in the first line, got 5'],
    ['1,1,1,2', '/line/1', 'expected at least 6 columns (frame, id, left, top, width, height), got 4'],
    ['1,1,1,2,3,4\n1.5,2,1,2,3,4', '/line/2/frame', 'expected a whole number from 0 on, got 1.5'],
    ['-1,1,1,2,3,4', '/line/1/frame', 'expected a whole number from 0 on, got -1'],
    ['1,1,1,2,-3,4', '/line/1/width', 'expected a size from 0 on, got -3'],
    ['1,1,1,2,3,NaN', '/line/1/height', 'expected a number, got "NaN"'],
    ['1,,1,2,3,4', '/line/1/id', 'expected a number, got ""'],
    ['# nothing', '/line/1', 'expected rows of a track file, got none'],
    ['', '/line/1', 'expected rows of a track file, got none'],
  ])('with a mistake name the line: %j', (text, pointer, detail) => {
    expect(errorsOf(text)).toEqual([{ pointer, detail }]);
    expect(() => parse(text)).toThrow(detail);
  });

  it('with many mistakes name at most twenty, and say in words where the first is', () => {
    const text = Array.from({ length: 50 }, () => '1,1,1,2,3,x').join('\n');
    expect(errorsOf(text)).toHaveLength(20);
    expect(() => parse(text)).toThrow('track file: line 1, height: expected a number, got "x" (and at least 19 more)');
  });

  it('read to the boxes that were written, whatever they are', () => {
    const row = fc.record({
      frame: fc.nat(1_000),
      id: fc.integer({ min: 0, max: 50 }),
      box: fc.tuple(...[-500, -500, 0, 0].map((min) => fc.double({ min, max: 2_000, noNaN: true, noDefaultInfinity: true }))),
    });
    fc.assert(
      fc.property(fc.uniqueArray(row, { minLength: 1, selector: ({ frame, id }) => `${frame} ${id}` }), (rows) => {
        const { frames } = parseMot(rows.map(({ frame, id, box }) => [frame, id, ...box, 1, -1, -1, -1].join(',')));
        const read = frames.flatMap(({ frame_number, objects }) =>
          objects.map(({ track_id, box }) => `${frame_number} ${track_id} ${box?.join()}`),
        );
        expect(read.sort()).toEqual(rows.map(({ frame, id, box }) => `${frame} ${id} ${box.map((n) => (n === 0 ? 0 : n)).join()}`).sort());
        expect(frames.map(({ frame_number }) => frame_number)).toEqual([...new Set(rows.map(({ frame }) => frame))].sort((a, b) => a - b));
      }),
    );
  });
});
