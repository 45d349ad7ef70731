import { EngineError } from '../errors.ts';
import { type Box, countDoing, countPersons, type DetectedObject, NO_HAIRNET, PERSON } from './frame.ts';
import { FileProblems, type RecordedFrame, type Recording } from './recording.ts';

type Value = Record<string, unknown>;
type Image = { frame: number; timestamp: number | null };
type Reading = { problems: FileProblems; images: Map<string, Image> | null; categories: Map<string, string> };

/** In the sets of COCO a person has this id; results refer to it without saying so. */
const PERSON_ID = '1';

const isRecord = (value: unknown): value is Value => typeof value === 'object' && value !== null && !Array.isArray(value);
const isId = (value: unknown): value is string | number => typeof value === 'string' || Number.isSafeInteger(value);
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 80);

/** COCO's text as a value. @throws EngineError invalid_input: with the line where the parser knows it */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    const said = (cause as Error).message;
    const line = /line (\d+) column \d+/.exec(said)?.[1];
    const errors = [{ pointer: line ? `/line/${line}` : '', detail: `expected JSON: ${said}` }];
    throw new EngineError('invalid_input', `COCO file: expected JSON: ${said}`, { cause, errors });
  }
}

/** The frame number that an image states under one of the usual names; null: none. */
function statedFrame(image: Value): number | null {
  const value = [image.frame_id, image.frame_number, image.frame].find((candidate) => candidate !== undefined);
  return isWhole(value) ? value : null;
}

function timeOf(image: Value): number | null {
  const at = typeof image.timestamp === 'string' ? Date.parse(image.timestamp) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** Images by id. Frames are numbered as the images say, else from 1 in the order of the file. */
function readImages(list: unknown, { problems }: Reading): Map<string, Image> | null {
  if (!Array.isArray(list)) return null;
  const proper = list.flatMap((image: unknown, i) => {
    if (isRecord(image) && isId(image.id)) return [{ image, i, id: String(image.id) }];
    problems.add(`/images/${i}`, `expected an object with an id, got ${shown(image)}`);
    return [];
  });
  const states = proper.every(({ image }) => statedFrame(image) !== null);
  const images = new Map<string, Image>();
  const numbers = new Set<number>();
  for (const { image, i, id } of proper) {
    const frame = states ? (statedFrame(image) ?? 0) : i + 1;
    if (images.has(id)) problems.add(`/images/${i}/id`, `expected an id of its own, got ${shown(id)} again`);
    if (numbers.has(frame)) problems.add(`/images/${i}`, `expected a frame number of its own, got ${frame} again: one file is one video`);
    numbers.add(frame);
    images.set(id, { frame, timestamp: timeOf(image) });
  }
  return images;
}

function readCategories(list: unknown): Map<string, string> {
  const named = (Array.isArray(list) ? list : []).filter(
    (category) => isRecord(category) && isId(category.id) && typeof category.name === 'string',
  );
  return new Map(named.map((category) => [String(category.id), category.name.toLowerCase().trim().replaceAll(/\s+/g, '_').slice(0, 50)]));
}

function labelOf(category: unknown, { categories }: Reading): string {
  if (category === undefined) return PERSON;
  const id = String(category);
  return categories.get(id) ?? (id === PERSON_ID && categories.size === 0 ? PERSON : `category_${id}`.slice(0, 50));
}

function readBox(value: unknown, place: string, { problems }: Reading): Box | null {
  const numbers = Array.isArray(value) && value.length === 4 && value.every((part) => Number.isFinite(part)) ? (value as number[]) : null;
  if (numbers && (numbers[2] ?? -1) >= 0 && (numbers[3] ?? -1) >= 0) return numbers as unknown as Box;
  problems.add(`${place}/bbox`, `expected [left, top, width, height] in pixels, got ${shown(value)}`);
  return null;
}

/** Which image an annotation is of. Lists of results have no images: there the id itself is the frame number. */
function imageOf(annotation: Value, place: string, { images, problems }: Reading): Image | null {
  const id = annotation.image_id;
  const image = images ? images.get(String(id)) : isWhole(id) ? { frame: id, timestamp: null } : undefined;
  if (image) return image;
  problems.add(`${place}/image_id`, images ? `expected the id of an image, got ${shown(id)}` : `expected a whole number, got ${shown(id)}`);
  return null;
}

function trackOf(annotation: Value): string | null {
  const id = [annotation.track_id, annotation.instance_id].find((candidate) => candidate !== undefined && candidate !== null);
  return isId(id) && !(typeof id === 'number' && id < 0) ? String(id).slice(0, 100) : null;
}

type Annotation = { frame: number; timestamp: number | null; object: DetectedObject };

function readAnnotation(annotation: unknown, place: string, reading: Reading): Annotation | null {
  if (!isRecord(annotation)) {
    reading.problems.add(place, `expected an object, got ${shown(annotation)}`);
    return null;
  }
  const image = imageOf(annotation, place, reading);
  const box = readBox(annotation.bbox, place, reading);
  const score = Number.isFinite(annotation.score) ? Number(annotation.score) : null;
  if (!image || !box) return null;
  const label = labelOf(annotation.category_id, reading);
  return { ...image, object: { track_id: trackOf(annotation), label, score, box, violations: [] } };
}

function readAnnotations(list: unknown, place: string, reading: Reading): Annotation[] {
  if (!Array.isArray(list)) {
    reading.problems.add(place, `expected an array, got ${shown(list)}`);
    return [];
  }
  const read: Annotation[] = [];
  for (const [i, annotation] of list.entries()) {
    const one = readAnnotation(annotation, `${place}/${i}`, reading);
    if (one) read.push(one);
    if (reading.problems.full) break;
  }
  return read;
}

/**
 * Reads COCO's JSON: a data set (`images`, `annotations`, `categories`), whose images without annotations are frames without objects, or a list of results
 * (`image_id`, `category_id`, `bbox`, `score`), whose image ids are the frame numbers.
 * @throws EngineError invalid_input: names the place of what is wrong, as a line or as a JSON Pointer
 */
export function parseCoco(text: string): Recording {
  const root = parseJson(text);
  const reading: Reading = { problems: new FileProblems('COCO file'), images: null, categories: new Map() };
  if (isRecord(root)) {
    reading.images = readImages(root.images, reading);
    reading.categories = readCategories(root.categories);
  }
  const annotations = isRecord(root) ? readAnnotations(root.annotations, '/annotations', reading) : readAnnotations(root, '', reading);
  reading.problems.refuse();
  return { frames: framesOf(annotations, reading), warnings: [] };
}

function framesOf(annotations: readonly Annotation[], { images }: Reading): RecordedFrame[] {
  const byFrame = new Map<number, { timestamp: number | null; objects: DetectedObject[] }>();
  for (const { frame, timestamp } of images?.values() ?? []) byFrame.set(frame, { timestamp, objects: [] });
  for (const { frame, timestamp, object } of annotations) {
    const entry = byFrame.get(frame) ?? { timestamp, objects: [] };
    entry.objects.push(object);
    byFrame.set(frame, entry);
  }
  return [...byFrame]
    .sort(([a], [b]) => a - b)
    .map(([frame_number, { timestamp, objects }]) => {
      const counts = { person_count: countPersons(objects), hairnet_violations: countDoing(objects, NO_HAIRNET) };
      return { frame_number, timestamp, objects, ...counts, fps: null, processing_ms: null, detail: null };
    });
}
