import { z } from 'zod';
import { countDoing, countPersons, type Frame, NO_HAIRNET, PERSON, SEVERITIES } from '../core/detection/frame.ts';
import { SAVED_FOR } from '../core/detection/sampling.ts';
import { GIVEN } from '../core/detection/tracker.ts';
import { Instant, Name, text } from './limits.ts';

export const Severity = z.enum(SEVERITIES);
/** Words of detectors: types of violations, labels. */
export const Word = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$/, 'must be a word of letters, digits, "_", "." and "-", at most 50 characters');
export const SessionName = text(100).min(1);
const Share = z.number().min(0).max(1);
const Count = z.int().min(0).max(100_000);
const Pixels = z.number().min(-1e6).max(1e6);
const Size = z.number().min(0).max(1e6);

/** Free JSON of the detector: storable, and small. */
const Detail = z
  .record(z.string().max(200), z.unknown())
  .refine((value) => isStorable(value, 0), 'must not nest deeper than 8 levels, nor hold NUL characters or lone surrogates')
  .refine((value) => JSON.stringify(value).length <= 8_192, 'must not be longer than 8,192 characters');

function isStorable(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return depth < 8 && Object.entries(value).every(([key, inner]) => isStorable(key, depth) && isStorable(inner, depth + 1));
}

const SightingInput = z
  .union([
    Word,
    z.strictObject({
      type: Word,
      confidence: Share.optional().default(1),
      severity: Severity.default('medium'),
      zone: text(100).min(1).nullable().default(null).describe('named part of the picture'),
    }),
  ])
  .meta({ id: 'ViolationSighting' });

const TrackId = z
  .union([
    z
      .string()
      .min(1)
      .max(100)
      .refine(
        (id) => !id.startsWith(GIVEN) && id.isWellFormed() && !id.includes('\0'),
        `must not begin with "${GIVEN}", nor hold NUL characters`,
      ),
    z.int().transform(String),
  ])
  .describe('who it is, within the session; without it objects are recognised by their boxes');

const ObjectInput = z
  .strictObject({
    track_id: TrackId.nullable().default(null),
    label: Word.default(PERSON),
    score: z.number().min(-1e6).max(1e6).nullable().default(null),
    box: z.tuple([Pixels, Pixels, Size, Size]).nullable().default(null).describe('left, top, width, height in pixels'),
    violations: z.array(SightingInput).max(20).default([]),
  })
  .meta({ id: 'DetectedObjectSubmission' });

/** What all frames have, wherever they come from. `frame_number` counts within the session. */
const frameFields = {
  timestamp: Instant.optional().describe('when the picture was taken; default: when it arrived'),
  person_count: Count.optional().describe('default: the objects that are persons'),
  hairnet_violations: Count.optional().describe('persons without a hairnet; default: the objects with the violation no_hairnet'),
  objects: z.array(ObjectInput).max(300).default([]),
  fps: z.number().min(0).max(100_000).nullable().default(null).describe('frames a second of the detector'),
  processing_ms: z.number().min(0).max(86_400_000).nullable().default(null),
  detail: Detail.nullable().default(null).describe('whatever else is to be kept with the record'),
};

export const FrameNumber = z.int().min(0).max(1_099_511_627_776);

/** One frame as clients post it. `camera_id` and `session_id` may come from the query instead. */
export const DetectionSubmission = z
  .strictObject({
    camera_id: Name.optional(),
    session_id: SessionName.optional().describe('one run of the camera’s detector: frames are told apart within it'),
    frame_number: FrameNumber,
    ...frameFields,
  })
  .meta({ id: 'DetectionSubmission' });
export type DetectionSubmission = z.output<typeof DetectionSubmission>;

/** One line of a detector's output. Unnumbered frames are numbered as they come; whose they are is known. */
export const DetectorLine = z.strictObject({
  camera_id: text(100).optional(),
  session_id: text(100).optional(),
  frame_number: FrameNumber.optional(),
  picture: z.base64().max(900_000).nullable().default(null).describe('JPEG, as base64: shown to viewers, kept where a violation opens'),
  ...frameFields,
});
export type DetectorLine = z.output<typeof DetectorLine>;

const CERTAIN = { confidence: 1, severity: 'medium' as const, zone: null };

/** A parsed frame as the rest of the engine has it. */
export function toFrame(
  line: Omit<DetectorLine, 'camera_id' | 'session_id' | 'picture'>,
  { frame_number, timestamp }: { frame_number: number; timestamp: number },
): Frame {
  const objects = line.objects.map(({ violations, ...object }) => ({
    ...object,
    violations: violations.map((sighting) => (typeof sighting === 'string' ? { ...CERTAIN, type: sighting } : sighting)),
  }));
  return {
    frame_number,
    timestamp,
    objects,
    person_count: line.person_count ?? countPersons(objects),
    hairnet_violations: line.hairnet_violations ?? countDoing(objects, NO_HAIRNET),
    fps: line.fps,
    processing_ms: line.processing_ms,
    detail: line.detail,
  };
}

const accepted = {
  accepted: z.int().describe('new frames: counted, and stored for good'),
  duplicates: z.int().describe('frames that had come before: nothing was done'),
  saved: z.int().describe('records that the new frames became'),
  violations_opened: z.int(),
};

/** What became of posted frames; every one of them is accounted for. */
export const DetectionsAccepted = z
  .object({
    received: z.int(),
    ...accepted,
    sessions: z.array(z.object({ camera_id: z.string(), session_id: z.string(), save_interval: z.int(), ...accepted })),
  })
  .meta({ id: 'DetectionsAccepted' });
export type DetectionsAccepted = z.output<typeof DetectionsAccepted>;

const time = z.iso.datetime();

/** An object of a stored frame; `track_id` begins with ~ where it was recognised by its box. */
const StoredObject = z.object({
  track_id: z.string(),
  label: z.string(),
  score: z.number().nullable(),
  box: z.array(z.number()).nullable(),
  violations: z.array(z.object({ type: z.string(), confidence: z.number(), severity: Severity, zone: z.string().nullable() })),
});

export const DetectionRecord = z
  .object({
    id: z.int(),
    camera_id: z.string(),
    session_id: z.string(),
    frame_number: z.int(),
    timestamp: time,
    person_count: z.int(),
    hairnet_violations: z.int(),
    saved_for: z.enum(SAVED_FOR).describe('sample: its turn; change: the violations changed with it'),
    objects: z.array(StoredObject),
    detail: z.record(z.string(), z.unknown()).nullable(),
    fps: z.number().nullable(),
    processing_ms: z.number().nullable(),
    created_at: time,
  })
  .meta({ id: 'DetectionRecord' });
export type DetectionRecord = z.output<typeof DetectionRecord>;

/** One run of a camera's detector, with its counts. */
export const DetectionSession = z
  .object({
    camera_id: z.string(),
    session_id: z.string(),
    task: z.uuid().nullable(),
    save_interval: z.int(),
    frames: z.int(),
    records: z.int(),
    person_frames: z.int(),
    violating_person_frames: z.int(),
    violations: z.int(),
    first_at: time.nullable(),
    last_at: time.nullable(),
    ended_at: time.nullable(),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'DetectionSession' });
export type DetectionSession = z.output<typeof DetectionSession>;
