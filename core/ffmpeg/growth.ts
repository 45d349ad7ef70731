import type { ProgressReport } from './progress.ts';

/** Watches whether a process gets on. Times are milliseconds of any clock that only rises. */
export type GrowthWatch = {
  /** @returns whether anything grew since the last report */
  note(report: ProgressReport, now_ms: number): boolean;
  /** Begins to count anew: the watcher itself slept. */
  excuse(now_ms: number): void;
  /** How long nothing has grown. */
  silentFor(now_ms: number): number;
};

const grew = (before: number, now: number | null): boolean => now !== null && now > before;

/**
 * A process lives as long as frames, output time or bytes rise; reports that repeat themselves are no sign of life, for ffmpeg goes on reporting
 * while it waits for an input that never comes. The end counts as growth.
 */
export function createGrowthWatch(started_ms: number): GrowthWatch {
  let last_ms = started_ms;
  let best = { frame: 0, out_time_s: 0, total_size: 0 };
  return {
    note(report, now_ms) {
      const growing =
        report.done ||
        grew(best.frame, report.frame) ||
        grew(best.out_time_s, report.out_time_s) ||
        grew(best.total_size, report.total_size);
      best = {
        frame: Math.max(best.frame, report.frame ?? 0),
        out_time_s: Math.max(best.out_time_s, report.out_time_s ?? 0),
        total_size: Math.max(best.total_size, report.total_size ?? 0),
      };
      if (growing) last_ms = Math.max(last_ms, now_ms);
      return growing;
    },
    excuse: (now_ms) => {
      last_ms = Math.max(last_ms, now_ms);
    },
    silentFor: (now_ms) => Math.max(0, now_ms - last_ms),
  };
}
