/** One report of `-progress`: frames written, seconds of output, bytes; null where ffmpeg does not know. `done`: the last report. */
export type ProgressReport = { frame: number | null; out_time_s: number | null; total_size: number | null; done: boolean };

const CLOCK = /^(\d+):(\d{2}):(\d{2}(?:\.\d+)?)$/;

function seconds(text: string | undefined): number | null {
  const match = CLOCK.exec(text ?? '');
  return match ? Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]) : null;
}

function whole(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

/**
 * Reads the `key=value` lines that `ffmpeg -progress pipe:1` writes, in chunks cut anywhere. Each block ends with its `progress` line.
 * `out_time_ms` is left aside on purpose: it holds microseconds in all versions.
 */
export function createProgressParser(): { push(chunk: string): ProgressReport[] } {
  let rest = '';
  let block = new Map<string, string>();
  const finish = (state: string): ProgressReport => {
    const report = {
      frame: whole(block.get('frame')),
      out_time_s: seconds(block.get('out_time')),
      total_size: whole(block.get('total_size')),
      done: state === 'end',
    };
    block = new Map();
    return report;
  };
  const read = (line: string): ProgressReport[] => {
    const at = line.indexOf('=');
    if (at < 0) return [];
    const key = line.slice(0, at).trim();
    const value = line.slice(at + 1).trim();
    if (key === 'progress') return [finish(value)];
    block.set(key, value);
    return [];
  };
  return {
    push(chunk) {
      const lines = (rest + chunk).split('\n');
      rest = (lines.pop() ?? '').slice(-4_096);
      return lines.flatMap(read);
    },
  };
}
