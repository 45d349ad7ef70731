import fc from 'fast-check';
import { lastLines, toolFailure } from '../../../core/ffmpeg/failure.ts';
import { createGrowthWatch } from '../../../core/ffmpeg/growth.ts';
import { createProgressParser, type ProgressReport } from '../../../core/ffmpeg/progress.ts';

/** As ffmpeg 4.1 and 5.1 wrote it for a scene of three seconds. */
const OUTPUT = `frame=25
fps=0.00
stream_0_0_q=28.0
bitrate=N/A
total_size=N/A
out_time_us=N/A
out_time_ms=N/A
out_time=N/A
progress=continue
frame=72
fps=0.00
stream_0_0_q=-1.0
bitrate=  41.9kbits/s
total_size=15434
out_time_us=2944000
out_time_ms=2944000
out_time=00:00:02.944000
dup_frames=0
speed=3.84x
progress=end
`;
const REPORTS: ProgressReport[] = [
  { frame: 25, out_time_s: null, total_size: null, done: false },
  { frame: 72, out_time_s: 2.944, total_size: 15_434, done: true },
];

describe('the progress parser', () => {
  it('reads what ffmpeg writes', () => {
    expect(createProgressParser().push(OUTPUT)).toEqual(REPORTS);
  });

  it('reads the same wherever the chunks are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(OUTPUT.length), { maxLength: 12 }), (cuts) => {
        const parser = createProgressParser();
        const at = [0, ...cuts.toSorted((a, b) => a - b), OUTPUT.length];
        const reports = at.slice(1).flatMap((end, i) => parser.push(OUTPUT.slice(at[i], end)));
        expect(reports).toEqual(REPORTS);
      }),
    );
  });

  it('survives anything else and keeps no more than a line of it', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (chunks) => {
        const parser = createProgressParser();
        for (const chunk of chunks) parser.push(chunk);
        expect(parser.push(`\n${OUTPUT}`).slice(-2)).toMatchObject([{ out_time_s: null }, { frame: 72, done: true }]);
      }),
    );
  });
});

describe('the growth watch', () => {
  const report = (more: Partial<ProgressReport>): ProgressReport => ({
    frame: null,
    out_time_s: null,
    total_size: null,
    done: false,
    ...more,
  });

  it('counts from the start while nothing grows, and from the last growth', () => {
    const watch = createGrowthWatch(1_000);
    expect(watch.silentFor(3_000)).toBe(2_000);
    expect(watch.note(report({ frame: 5 }), 4_000)).toBe(true);
    expect(watch.note(report({ frame: 5 }), 9_000)).toBe(false);
    expect(watch.silentFor(10_000)).toBe(6_000);
    expect(watch.note(report({ frame: 5, total_size: 1 }), 11_000)).toBe(true);
    expect(watch.note(report({ frame: 2, total_size: 0 }), 12_000)).toBe(false);
    expect(watch.silentFor(12_000)).toBe(1_000);
  });

  it('is silent exactly since the last report that was the largest so far in any figure', () => {
    const figures = fc.record({ frame: fc.option(fc.nat(20)), out_time_s: fc.option(fc.nat(20)), total_size: fc.option(fc.nat(20)) });
    fc.assert(
      fc.property(fc.array(figures), (all) => {
        const watch = createGrowthWatch(0);
        for (const [i, figure] of all.entries()) watch.note({ ...figure, done: false }, i + 1);
        const largestBefore = (i: number, name: 'frame' | 'out_time_s' | 'total_size') =>
          Math.max(0, ...all.slice(0, i).map((figure) => figure[name] ?? 0));
        const names = ['frame', 'out_time_s', 'total_size'] as const;
        const last = all.findLastIndex((figure, i) => names.some((name) => (figure[name] ?? 0) > largestBefore(i, name))) + 1;
        expect(watch.silentFor(all.length + 5)).toBe(all.length + 5 - last);
      }),
    );
  });
});

describe('the failure of a tool', () => {
  const exit = (more: object) => ({ exit_code: 1, signal: null, stalled: false, tail: '', ...more });

  it.each([
    [exit({ exit_code: 0 }), null],
    [exit({ tail: 'picture.png: No such file or directory' }), { code: 'bad_input', retryable: false }],
    [exit({ tail: "[AVFilterGraph] No such filter: 'xfade'" }), { code: 'bad_input', retryable: false }],
    [exit({ tail: 'av_interleaved_write_frame(): No space left on device' }), { code: 'disk_full', retryable: true }],
    [exit({ exit_code: null, signal: 'SIGKILL' }), { code: 'killed', retryable: true }],
    [exit({ exit_code: null, signal: 'SIGKILL', stalled: true }), { code: 'stalled', retryable: true }],
    [exit({ tail: 'Conversion failed!' }), { code: 'tool_failed', retryable: true }],
  ])('%j is %j', (given, expected) => {
    const found = toolFailure('ffmpeg', given);
    if (expected === null) expect(found).toBeNull();
    else expect(found).toMatchObject(expected);
  });

  it('ends with the last words of the tool', () => {
    expect(toolFailure('ffmpeg', exit({ tail: 'first\n\nlast words\n' }))?.message).toBe(
      'ffmpeg ended with exit code 1 and said: first\nlast words',
    );
  });

  it('keeps whole lines from the end', () => {
    expect(lastLines('one\ntwo\nthree', 9)).toBe('two\nthree');
    expect(lastLines('x'.repeat(50), 10)).toBe('x'.repeat(10));
  });
});
