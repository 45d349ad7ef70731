import { setTimeout as pause } from 'node:timers/promises';
import { parseCoco } from '../../core/detection/coco.ts';
import { countPersons } from '../../core/detection/frame.ts';
import { parseMot } from '../../core/detection/mot.ts';
import type { RecordedFrame } from '../../core/detection/recording.ts';
import type { EngineContext } from '../define-engine.ts';
import { type DetectedFrame, type Emit, parseDetectorLine } from './detector-line.ts';
import type { Replay } from './parameters.ts';

type Format = 'mot' | 'coco' | 'ndjson';

/** A JSON object on the first line of several is one frame of many; other JSON is COCO; all else are columns. */
export function formatOf(text: string): Format {
  const [first = ''] = text
    .replace(/^\uFEFF/, '')
    .trimStart()
    .split('\n', 1);
  if (first.startsWith('[')) return 'coco';
  if (!first.startsWith('{')) return 'mot';
  try {
    const value = JSON.parse(first) as object;
    return 'images' in value || 'annotations' in value ? 'coco' : 'ndjson';
  } catch {
    return 'coco';
  }
}

function recordedLines(text: string): RecordedFrame[] {
  const frames: RecordedFrame[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    const frame = line.trim() === '' ? null : parseDetectorLine(line, { line: i + 1, ordinal: frames.length });
    if (frame) frames.push(frame);
  }
  return frames;
}

/** What a file holds. @throws EngineError invalid_input: names line or place */
export function readRecording(text: string, format: Replay['format']): { frames: RecordedFrame[]; warnings: string[] } {
  const known = format === 'auto' ? formatOf(text) : format;
  if (known === 'ndjson') return { frames: recordedLines(text), warnings: [] };
  return known === 'coco' ? parseCoco(text) : parseMot(text.split('\n'));
}

function withoutWeak(frame: RecordedFrame, min_score: number | null): RecordedFrame {
  if (min_score === null) return frame;
  const objects = frame.objects.filter(({ score }) => score === null || score >= min_score);
  return { ...frame, objects, person_count: frame.person_count - countPersons(frame.objects) + countPersons(objects) };
}

/** When a recorded frame was: by its own time, else by its number from the first frame of the file on. */
const timeOf = (frame: RecordedFrame, first: number, { start, fps }: { start: number; fps: number }): number =>
  frame.timestamp ?? start + Math.round(((frame.frame_number - first) * 1_000) / fps);

export type ReplayOrder = { text: string; replay: Replay; began_at: number };

/** Plays a recording: as fast as it can be stored, or as fast as it was recorded. Ends early when it is told to stop. */
export async function replayRecording({ text, replay, began_at }: ReplayOrder, context: EngineContext, emit: Emit): Promise<void> {
  const { frames, warnings } = readRecording(text, replay.format);
  for (const warning of warnings) await context.log.system(warning);
  await context.log.system(`${frames.length} frames to replay`);
  const start = replay.start_at === undefined ? began_at : Date.parse(replay.start_at);
  const first = frames.reduce((least, { frame_number }) => Math.min(least, frame_number), Number.POSITIVE_INFINITY);
  const played = { at: performance.now(), from: null as number | null };
  for (const [i, recorded] of frames.entries()) {
    const timestamp = timeOf(recorded, first, { start, fps: replay.fps });
    played.from ??= timestamp;
    await untilDue(played.at + (timestamp - played.from) / (replay.speed ?? Number.POSITIVE_INFINITY), context.signal);
    if (context.signal.aborted) return;
    const frame: DetectedFrame = { ...withoutWeak(recorded, replay.min_score), timestamp, picture: null };
    await emit(frame);
    if (i % 50 === 0) context.progress((100 * i) / frames.length, `frame ${i} of ${frames.length}`);
  }
}

async function untilDue(at: number, signal: AbortSignal): Promise<void> {
  const wait = at - performance.now();
  if (wait > 0) await pause(wait, undefined, { signal }).catch(() => undefined);
}
