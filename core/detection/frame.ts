/** How bad a violation is; later ones outrank earlier ones. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** True when `a` outranks `b`. */
export const isWorse = (a: Severity, b: Severity): boolean => SEVERITIES.indexOf(a) > SEVERITIES.indexOf(b);

/** Left, top, width, height in pixels of the picture; left and top may lie outside of it. */
export type Box = readonly [left: number, top: number, width: number, height: number];

/** What an object is seen to do in one frame. `confidence` 0–1; `zone`: named part of the picture, null when the detector knows none. */
export type Sighting = { type: string; confidence: number; severity: Severity; zone: string | null };

/** One detected thing. `track_id` null: the detector does not follow it; `score` null: unknown; `box` null: it was only counted. */
export type DetectedObject = { track_id: string | null; label: string; score: number | null; box: Box | null; violations: Sighting[] };

/**
 * What a detector saw in one picture. `timestamp`: ms since 1970, UTC. `hairnet_violations`: persons seen without a hairnet. `fps` and `processing_ms`:
 * what the detector says of its own speed. `detail`: whatever else it wants to be kept with the record.
 */
export type Frame = {
  frame_number: number;
  timestamp: number;
  objects: DetectedObject[];
  person_count: number;
  hairnet_violations: number;
  fps: number | null;
  processing_ms: number | null;
  detail: Record<string, unknown> | null;
};

export const PERSON = 'person';
export const NO_HAIRNET = 'no_hairnet';

/** Persons among the objects. */
export const countPersons = (objects: readonly DetectedObject[]): number => objects.filter(({ label }) => label === PERSON).length;

/** Objects that do one thing. */
export const countDoing = (objects: readonly DetectedObject[], type: string): number =>
  objects.filter(({ violations }) => violations.some((sighting) => sighting.type === type)).length;

/** Persons that violate anything with at least this confidence; where persons were only counted, as many as were counted without a hairnet. */
export function countViolating(frame: Frame, min_confidence: number): number {
  if (frame.objects.length === 0) return Math.min(frame.hairnet_violations, frame.person_count);
  const violates = ({ violations }: DetectedObject) => violations.some(({ confidence }) => confidence >= min_confidence);
  return frame.objects.filter((object) => object.label === PERSON && violates(object)).length;
}

/** A frame of which only the objects are known. */
export const frameOf = (frame_number: number, timestamp: number, objects: DetectedObject[]): Frame => ({
  frame_number,
  timestamp,
  objects,
  person_count: countPersons(objects),
  hairnet_violations: countDoing(objects, NO_HAIRNET),
  fps: null,
  processing_ms: null,
  detail: null,
});
