import type { DetectionIntake } from '../commands/detection-intake.ts';
import type { PlacedFrame } from '../commands/take-detections.ts';
import { EngineError } from '../core/errors.ts';
import { DetectionSubmission } from '../schemas/detection.ts';
import type { RawBody } from './define-route.ts';
import { decodeUtf8, parseJson } from './json-text.ts';
import { parsePart } from './parse-input.ts';

/** The most frames of one request. */
const MOST_FRAMES = 10_000;
const MOST_DEPTH = 32;

/** Frames of a body: one JSON object, an array of them, or one object a line. All of them are right, or none is taken. */
export async function readDetections(intake: DetectionIntake, { type, stream }: RawBody): Promise<PlacedFrame[]> {
  const text = decodeUtf8(await intake.read(stream));
  const frames = type === 'application/x-ndjson' ? frameLines(text) : frameArray(text);
  if (frames.length === 0)
    throw new EngineError('invalid_input', 'the body: expected at least one frame', {
      errors: [{ pointer: '', detail: 'expected at least one frame' }],
    });
  return frames;
}

const tooMany = (count: number): EngineError =>
  new EngineError('too_large', `the body holds ${count} frames, more than the ${MOST_FRAMES} that one request may bring`);

function frameArray(text: string): PlacedFrame[] {
  const value = parseJson(text, 'the body', MOST_DEPTH);
  const list = Array.isArray(value) ? value : [value];
  if (list.length > MOST_FRAMES) throw tooMany(list.length);
  return list.map((item, i) => ({ place: Array.isArray(value) ? `/${i}` : '', frame: frameAt(item, Array.isArray(value) ? `/${i}` : '') }));
}

/** Empty lines are passed over, and counted. */
function frameLines(text: string): PlacedFrame[] {
  const lines = text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [{ line, place: `/line/${i + 1}` }]));
  if (lines.length > MOST_FRAMES) throw tooMany(lines.length);
  return lines.map(({ line, place }) => ({ place, frame: frameAt(parseJson(line, place.slice(1).replace('/', ' '), MOST_DEPTH), place) }));
}

/** @throws EngineError invalid_input: every pointer begins with the place of the frame */
function frameAt(value: unknown, place: string): DetectionSubmission {
  return parsePart(DetectionSubmission, value, place);
}
