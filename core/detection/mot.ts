import { countDoing, countPersons, type DetectedObject, NO_HAIRNET, PERSON } from './frame.ts';
import { FileProblems, type RecordedFrame, type Recording } from './recording.ts';

/** Columns as the MOT challenge orders them; files with fewer stop earlier. Files of nine and eight columns have a class, those of ten positions in the world. */
const COLUMNS = ['frame', 'id', 'left', 'top', 'width', 'height', 'confidence', 'class', 'visibility'] as const;
const LEAST_COLUMNS = 6;
const CONFIDENCE = 6;
const CLASS = 7;

/** Classes of MOT16, MOT17 and MOT20; 1 is a person that walks by itself, and the only one that counts as one. */
const CLASSES: Record<number, string> = {
  1: PERSON,
  2: 'person_on_vehicle',
  3: 'car',
  4: 'bicycle',
  5: 'motorbike',
  6: 'non_motorized_vehicle',
  7: 'static_person',
  8: 'distractor',
  9: 'occluder',
  10: 'occluder_on_the_ground',
  11: 'occluder_full',
  12: 'reflection',
  13: 'crowd',
};

type Row = {
  line: number;
  frame: number;
  track_id: string | null;
  box: [number, number, number, number];
  confidence: number | null;
  kind: number | null;
};
type Shape = { columns: number; has_class: boolean };
type Reading = { problems: FileProblems; shape: Shape | null };

const isWhole = (value: number): boolean => Number.isSafeInteger(value);

/** Fields of a line: separated by commas, or by blanks and tabs where there is no comma. A separator at the end adds none. */
function fieldsOf(line: string): string[] {
  const fields = line.includes(',') ? line.split(',').map((field) => field.trim()) : line.trim().split(/\s+/);
  return fields.length > LEAST_COLUMNS && fields.at(-1) === '' ? fields.slice(0, -1) : fields;
}

/** Tells what the columns mean by their number, from the first line with data. */
const shapeOf = (columns: number): Shape => ({ columns, has_class: columns === 8 || columns === 9 });

function readShape(fields: readonly string[], line: number, reading: Reading): boolean {
  reading.shape ??= shapeOf(fields.length);
  const { columns } = reading.shape;
  if (columns < LEAST_COLUMNS) {
    reading.problems.add(
      `/line/${line}`,
      `expected at least ${LEAST_COLUMNS} columns (${COLUMNS.slice(0, LEAST_COLUMNS).join(', ')}), got ${fields.length}`,
    );
    return false;
  }
  if (fields.length === columns) return true;
  reading.problems.add(`/line/${line}`, `expected ${columns} columns as in the first line, got ${fields.length}`);
  return false;
}

/** A column that must be a number; null and a problem where it is none. */
function numberAt(fields: readonly string[], column: number, at: { line: number; reading: Reading }): number | null {
  const text = fields[column] ?? '';
  const value = text === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  at.reading.problems.add(
    `/line/${at.line}/${COLUMNS[column] ?? `column ${column + 1}`}`,
    `expected a number, got ${JSON.stringify(text.slice(0, 40))}`,
  );
  return null;
}

/** As `numberAt`, for columns that may be empty. */
const optionalAt = (fields: readonly string[], column: number, at: { line: number; reading: Reading }): number | null =>
  (fields[column] ?? '') === '' ? null : numberAt(fields, column, at);

function checkRow(row: Row, { problems }: Reading): void {
  const wrong = (column: string, expected: string, got: number) =>
    problems.add(`/line/${row.line}/${column}`, `expected ${expected}, got ${got}`);
  if (!isWhole(row.frame) || row.frame < 0) wrong('frame', 'a whole number from 0 on', row.frame);
  if (row.box[2] < 0) wrong('width', 'a size from 0 on', row.box[2]);
  if (row.box[3] < 0) wrong('height', 'a size from 0 on', row.box[3]);
}

function readRow(text: string, line: number, reading: Reading): Row | null {
  const fields = fieldsOf(text);
  if (!readShape(fields, line, reading)) return null;
  const at = { line, reading };
  const [frame, id, left, top, width, height] = [0, 1, 2, 3, 4, 5].map((column) => numberAt(fields, column, at));
  const confidence = optionalAt(fields, CONFIDENCE, at);
  const kind = reading.shape?.has_class ? optionalAt(fields, CLASS, at) : null;
  if (frame == null || id == null || left == null || top == null || width == null || height == null) return null;
  const row: Row = { line, frame, track_id: id < 0 ? null : String(id), box: [left, top, width, height], confidence, kind };
  checkRow(row, reading);
  return row;
}

/**
 * Whether the seventh column is a flag, as in ground truth, where 0 means "not to be considered", rather than a score of a detector. -1 stands for unknown. A file
 * that would have everything ignored is taken to have no flag.
 */
function holdsFlags(rows: readonly Row[]): boolean {
  const known = rows.flatMap(({ confidence }) => (confidence === null || confidence === -1 ? [] : [confidence]));
  return known.every((value) => value === 0 || value === 1) && known.includes(1);
}

const scoreOf = ({ confidence }: Row, flags: boolean): number | null => (flags || confidence === -1 ? null : confidence);

const labelOf = (kind: number | null): string => (kind === null || kind === -1 ? PERSON : (CLASSES[kind] ?? `class_${kind}`));

function toFrame(frame_number: number, objects: DetectedObject[]): RecordedFrame {
  const counts = { person_count: countPersons(objects), hairnet_violations: countDoing(objects, NO_HAIRNET) };
  return { frame_number, timestamp: null, objects, ...counts, fps: null, processing_ms: null, detail: null };
}

/** Objects by frame; a track that stands in a frame twice counts once, the first time. */
function group(rows: readonly Row[], flags: boolean): { frames: Map<number, DetectedObject[]>; repeated: number } {
  const frames = new Map<number, DetectedObject[]>();
  const seen = new Set<string>();
  let repeated = 0;
  for (const row of rows) {
    const objects = frames.get(row.frame) ?? [];
    frames.set(row.frame, objects);
    const key = `${row.frame} ${row.track_id}`;
    if (row.track_id !== null && seen.has(key)) repeated += 1;
    else objects.push({ track_id: row.track_id, label: labelOf(row.kind), score: scoreOf(row, flags), box: row.box, violations: [] });
    seen.add(key);
  }
  return { frames, repeated };
}

/** Takes flagged-out rows away but keeps their frames: nobody to be considered was there. */
function considered(rows: readonly Row[], flags: boolean): { kept: Row[]; frames: Set<number>; ignored: number } {
  const kept = flags ? rows.filter(({ confidence }) => confidence !== 0) : [...rows];
  return { kept, frames: new Set(rows.map(({ frame }) => frame)), ignored: rows.length - kept.length };
}

/**
 * Reads track files of the MOT challenge: ground truth of 2015 (10 columns), 2016, 2017 and 2020 (9, with class and visibility), detections and results (7–10), and
 * files that stop after the box. Frames may start at any number, stand in any order and leave gaps; frames that are not there are not made up.
 * @param lines without line ends; empty lines and lines that begin with # are passed over
 * @throws EngineError invalid_input: names line and column of what is no number, is negative or is missing
 */
export function parseMot(lines: Iterable<string>): Recording {
  const reading: Reading = { problems: new FileProblems('track file'), shape: null };
  const rows: Row[] = [];
  for (const { text, line } of linesWithData(lines)) {
    const row = readRow(text, line, reading);
    if (row) rows.push(row);
    if (reading.problems.full) break;
  }
  reading.problems.refuse();
  if (rows.length === 0) reading.problems.add('/line/1', 'expected rows of a track file, got none');
  reading.problems.refuse();
  return recordingOf(rows);
}

function* linesWithData(lines: Iterable<string>): Generator<{ text: string; line: number }> {
  let line = 0;
  for (const text of lines) {
    line += 1;
    const clean = line === 1 ? text.replace(/^\uFEFF/, '') : text;
    if (clean.trim() !== '' && !clean.startsWith('#')) yield { text: clean, line };
  }
}

function recordingOf(rows: readonly Row[]): Recording {
  const flags = holdsFlags(rows);
  const { kept, frames, ignored } = considered(rows, flags);
  const { frames: objects, repeated } = group(kept, flags);
  const warnings = [
    ...(ignored > 0 ? [`${ignored} rows are flagged as not to be considered and were left out`] : []),
    ...(repeated > 0 ? [`${repeated} rows repeat a track within a frame and were left out`] : []),
  ];
  return { frames: [...frames].sort((a, b) => a - b).map((number) => toFrame(number, objects.get(number) ?? [])), warnings };
}
