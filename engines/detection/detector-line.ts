import type { Frame } from '../../core/detection/frame.ts';
import { EngineError } from '../../core/errors.ts';
import { DetectorLine, toFrame } from '../../schemas/detection.ts';

/** A frame from a detector. `timestamp` null: it does not say. `picture`: JPEG, null without one. */
export type DetectedFrame = Omit<Frame, 'timestamp'> & { timestamp: number | null; picture: Buffer | null };

/** Takes frames one after the other; resolves when there is room for more. */
export type Emit = (frame: DetectedFrame) => Promise<void>;

/** Lines longer than this are no frames. */
export const MOST_LINE = 1_048_576;

function problemOf(line: number, cause: unknown): EngineError {
  const detail = (cause as Error).message.slice(0, 300);
  return new EngineError('invalid_input', `line ${line}: ${detail}`, { cause, errors: [{ pointer: `/line/${line}`, detail }] });
}

/**
 * A line of a detector as a frame. What does not begin with a brace is no frame but something that it has to say.
 * @param line its number, from 1
 * @param ordinal number of frames before it: its frame number where it has none
 * @returns null: no frame
 * @throws EngineError invalid_input: names the line and the field
 */
export function parseDetectorLine(text: string, { line, ordinal }: { line: number; ordinal: number }): DetectedFrame | null {
  if (!text.trimStart().startsWith('{')) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw problemOf(line, cause);
  }
  const parsed = DetectorLine.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw problemOf(line, new Error(`${issue?.path.join('.') || 'the object'}: ${issue?.message}`));
  }
  const { timestamp, picture } = parsed.data;
  const frame = toFrame(parsed.data, { frame_number: parsed.data.frame_number ?? ordinal, timestamp: 0 });
  return {
    ...frame,
    timestamp: timestamp === undefined ? null : Date.parse(timestamp),
    picture: picture === null ? null : Buffer.from(picture, 'base64'),
  };
}

/** Makes frames of a stream of lines, numbered from the first one on. What is no frame goes to `say`. */
export class LineReader {
  private readonly emit: Emit;
  private readonly say: (line: string) => Promise<void>;
  private rest = '';
  private line = 0;
  private frames = 0;

  constructor(emit: Emit, say: (line: string) => Promise<void>) {
    this.emit = emit;
    this.say = say;
  }

  /** @throws EngineError invalid_input: a line that is no frame although it begins like one, or is too long */
  async push(text: string): Promise<void> {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) await this.take(line);
    if (this.rest.length > MOST_LINE) throw problemOf(this.line + 1, new Error(`expected at most ${MOST_LINE} characters`));
  }

  async end(): Promise<void> {
    if (this.rest.trim() !== '') await this.take(this.rest);
    this.rest = '';
  }

  private async take(text: string): Promise<void> {
    this.line += 1;
    if (text.trim() === '') return;
    const frame = parseDetectorLine(text, { line: this.line, ordinal: this.frames });
    if (!frame) return await this.say(text);
    this.frames += 1;
    await this.emit(frame);
  }
}
