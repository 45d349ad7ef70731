import type { SegmentType, Severity } from './levels.ts';
import type { DetectSource, Stream } from './parse-line.ts';
import type { Cluster } from './template-miner.ts';

/** One raw line with its number in its source, from 1. `time`: when its carrier saw it, milliseconds since 1970. `name`: the container that a compose prefix gives. */
export type NumberedLine = { number: number; text: string; stream: Stream | null; time: number | null; name: string | null };

/**
 * One entry of a log: a line with everything that belongs to it. `line_number`: of its first line; `line_count`: lines in `content`, which are
 * joined by LF, so that exporting gives them back. `time`: what the entry itself says, else its carrier's; null: neither. `carrier_time`: of the first line.
 * `cut`: it goes on with an entry that had reached its limit.
 */
export type Segment = {
  line_number: number;
  line_count: number;
  content: string;
  severity: Severity;
  segment_type: SegmentType;
  detect_source: DetectSource;
  component: string | null;
  time: number | null;
  carrier_time: number | null;
  stream: Stream | null;
  name: string | null;
  format: string;
  status: number | null;
  cut: boolean;
  template: Cluster | null;
};
