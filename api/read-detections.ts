import type { DetectionIntake } from '../commands/detection-intake.ts';
import type { PlacedFrame } from '../commands/take-detections.ts';
import { EngineError } from '../core/errors.ts';
import { DetectionSubmission } from '../schemas/detection.ts';
import type { RawBody } from './define-route.ts';
import { jsonDepth } from './json-guard.ts';
import { parsePart } from './parse-input.ts';
import { refuse } from './problem.ts';

/** The most frames of one request. */
const MOST_FRAMES = 10_000;
const MOST_DEPTH = 32;

/** Frames of a body: one JSON object, an array of them, or one object a line. All of them are right, or none is taken. */
export async function readDetections(intake: DetectionIntake, { type, stream }: RawBody): Promise<PlacedFrame[]> {
  const text = decode(await intake.read(stream));
  const frames = type === 'application/x-ndjson' ? frameLines(text) : frameArray(text);
  if (frames.length === 0)
    throw new EngineError('invalid_input', 'the body: expected at least one frame', {
      errors: [{ pointer: '', detail: 'expected at least one frame' }],
    });
  return frames;
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse(400, 'the body is not valid UTF-8');
  }
}

function parseJson(text: string, where: string): unknown {
  if (jsonDepth(text, MOST_DEPTH) > MOST_DEPTH) throw refuse(400, `${where} nests deeper than ${MOST_DEPTH} levels`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refuse(
      400,
      `${where} is not valid JSON${/ at position \d+( \(line \d+ column \d+\))?/.exec((cause as Error).message)?.[0] ?? ''}`,
    );
  }
}

const tooMany = (count: number): EngineError =>
  new EngineError('too_large', `the body holds ${count} frames, more than the ${MOST_FRAMES} that one request may bring`);

function frameArray(text: string): PlacedFrame[] {
  const value = parseJson(text, 'the body');
  const list = Array.isArray(value) ? value : [value];
  if (list.length > MOST_FRAMES) throw tooMany(list.length);
  return list.map((item, i) => ({ place: Array.isArray(value) ? `/${i}` : '', frame: frameAt(item, Array.isArray(value) ? `/${i}` : '') }));
}

/** Empty lines are passed over, and counted. */
function frameLines(text: string): PlacedFrame[] {
  const lines = text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [{ line, place: `/line/${i + 1}` }]));
  if (lines.length > MOST_FRAMES) throw tooMany(lines.length);
  return lines.map(({ line, place }) => ({ place, frame: frameAt(parseJson(line, place.slice(1).replace('/', ' ')), place) }));
}

/** @throws EngineError invalid_input: every pointer begins with the place of the frame */
function frameAt(value: unknown, place: string): DetectionSubmission {
  return parsePart(DetectionSubmission, value, place);
}
