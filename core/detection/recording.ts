import { EngineError, type FieldProblem } from '../errors.ts';
import type { Frame } from './frame.ts';

/** A frame out of a file. `timestamp` null: the file does not say when it was. */
export type RecordedFrame = Omit<Frame, 'timestamp'> & { timestamp: number | null };

/** What a file holds, by frame number; `warnings`: what was left out, and why. */
export type Recording = { frames: RecordedFrame[]; warnings: string[] };

const MOST_PROBLEMS = 20;

/** Collects what is wrong with a file, so that its author learns of more than the first mistake. */
export class FileProblems {
  private readonly found: FieldProblem[] = [];
  private readonly what: string;
  private count = 0;

  /** @param what the file as its reader knows it: `track file` */
  constructor(what: string) {
    this.what = what;
  }

  /** @param place pointer-like: `/line/17/left`, `/annotations/3/bbox` */
  add(place: string, detail: string): void {
    this.count += 1;
    if (this.found.length < MOST_PROBLEMS) this.found.push({ pointer: place, detail });
  }

  get full(): boolean {
    return this.count >= MOST_PROBLEMS;
  }

  /** @throws EngineError invalid_input: something was added; its first place is in the message */
  refuse(): void {
    const [first] = this.found;
    if (!first) return;
    const more = this.count > 1 ? ` (and ${this.full ? 'at least ' : ''}${this.count - 1} more)` : '';
    throw new EngineError('invalid_input', `${this.what}: ${inWords(first)}${more}`, { errors: this.found });
  }
}

/** `/line/17/left` → `line 17, left`. */
const inWords = ({ pointer, detail }: FieldProblem): string => {
  const [, line, column] = /^\/line\/(\d+)(?:\/(.+))?$/.exec(pointer) ?? [];
  if (line === undefined) return `${pointer}: ${detail}`;
  return `line ${line}${column ? `, ${column}` : ''}: ${detail}`;
};
