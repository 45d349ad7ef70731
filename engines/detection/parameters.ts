import { z } from 'zod';
import { SEVERITIES } from '../../core/detection/frame.ts';
import { DEFAULT_LIFE } from '../../core/detection/violations.ts';
import { SessionName, Word } from '../../schemas/detection.ts';
import { Instant, Name, text } from '../../schemas/limits.ts';
import { DockerParameters } from '../docker/parameters.ts';
import { TaskEnvironment } from '../secret-values.ts';

const AbsolutePath = text(4_096).regex(/^\//, 'expected an absolute path, below one of the folders of DETECTION_ROOTS');
const Argv = z
  .array(text(131_072))
  .min(1)
  .max(256)
  .refine((argv) => argv[0] !== '', 'the program must not be empty');
const Command = { argv: Argv.meta({ description: 'program and arguments, run without a shell' }), env: TaskEnvironment.default({}) };

/** Where pictures or tracks come from. */
const Source = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('file'), path: AbsolutePath }),
  z.strictObject({ kind: z.literal('directory'), path: AbsolutePath.meta({ description: 'pictures, in the order of their names' }) }),
  z.strictObject({ kind: z.literal('stream'), url: z.url({ protocol: /^(rtsp|rtsps|http|https)$/ }).max(2_048) }),
  z.strictObject({ kind: z.literal('command'), ...Command }).meta({ description: 'what the program prints; takes the right "shell"' }),
  z.strictObject({ kind: z.literal('text'), text: z.string().min(1).max(240_000) }).meta({ description: 'a small track file, as it is' }),
]);
export type Source = z.output<typeof Source>;

const Replay = z.strictObject({
  kind: z.literal('replay'),
  format: z.enum(['auto', 'mot', 'coco', 'ndjson']).default('auto').meta({ description: 'auto: by what the file begins with' }),
  fps: z.number().min(0.001).max(1_000).default(25).meta({ description: 'frames a second, where the file has no times' }),
  start_at: Instant.optional().meta({
    description: 'time of the first frame, where the file has no times; default: when the session began',
  }),
  speed: z
    .number()
    .min(0.01)
    .max(1_000)
    .nullable()
    .default(null)
    .meta({ description: '1: as fast as it was recorded; null: as fast as possible' }),
  min_score: z.number().nullable().default(null).meta({ description: 'objects with a lower score are left out' }),
});

const PersonDetector = z
  .strictObject({
    kind: z.literal('person'),
    fps: z.number().min(0.01).max(30).default(1).meta({ description: 'pictures a second that are looked at; of a folder, all of them' }),
    start_at: Instant.optional().meta({ description: 'time of the first picture of a file; default: when the session began' }),
    min_score: z.number().min(0.05).max(1).default(0.3).meta({ description: 'what the network is less sure of is no person' }),
    max_iou: z.number().min(0).max(1).default(0.45).meta({ description: 'boxes that overlap more are the same person' }),
  })
  .meta({ description: 'finds persons in pictures and video on this worker; what they do is for the classifier to say' });

/** What finds persons and violations. `command` and `docker` print one JSON object a line, as `POST /detections` takes it. */
const Detector = z.discriminatedUnion('kind', [
  Replay,
  PersonDetector,
  z.strictObject({ kind: z.literal('command'), ...Command }).meta({ description: 'takes the right "shell"' }),
  z.strictObject({
    kind: z.literal('docker'),
    image: DockerParameters.shape.image,
    command: DockerParameters.shape.command,
    env: DockerParameters.shape.env,
    network: DockerParameters.shape.network,
    pull: DockerParameters.shape.pull,
  }),
]);
export type Detector = z.output<typeof Detector>;
export type Replay = z.output<typeof Replay>;
export type PersonDetector = z.output<typeof PersonDetector>;

const verdict = {
  violation_type: Word.default('no_hairnet'),
  confidence: z.number().min(0).max(1).default(1),
  severity: z.enum(SEVERITIES).default('medium'),
};

/** Says what persons do, besides what the detector says of them. */
const Classifier = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('all'), ...verdict }).meta({ description: 'every person violates, always: for trials' }),
  z
    .strictObject({ kind: z.literal('tracks'), track_ids: z.array(text(100).min(1)).min(1).max(1_000), ...verdict })
    .meta({ description: 'the persons with these track ids violate, always: for trials' }),
]);
export type Classifier = z.output<typeof Classifier>;

const Rules = z.strictObject({
  k: z.int().min(1).max(100).default(DEFAULT_LIFE.k).meta({ description: 'a violation opens after so many sightings' }),
  n: z.int().min(1).max(100).default(DEFAULT_LIFE.n).meta({ description: 'within so many frames' }),
  min_confidence: z.number().min(0).max(1).default(DEFAULT_LIFE.min_confidence),
  gap_s: z
    .number()
    .min(0)
    .max(86_400)
    .default(DEFAULT_LIFE.gap_ms / 1_000)
    .meta({ description: 'it ends when it was not seen for longer' }),
  min_iou: z
    .number()
    .min(0.01)
    .max(1)
    .default(0.3)
    .meta({ description: 'boxes at least so similar are the same person, where there are no track ids' }),
});

/** Parameters of a detection task. Replays and pictures need a source; programs may bring their own. */
export const DetectionParameters = z
  .strictObject({
    camera_id: Name,
    session_id: SessionName.optional().meta({
      description: 'frames are told apart within it; default: one for what is replayed, or for each run of a live source',
    }),
    source: Source.optional(),
    detector: Detector,
    classifier: Classifier.default({ kind: 'none' }),
    save_interval: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .meta({ description: 'each so many frames become a record; default: DETECTION_SAVE_INTERVAL' }),
    rules: Rules.prefault({}),
  })
  .refine(
    ({ detector, source }) =>
      detector.kind !== 'replay' || (source !== undefined && source.kind !== 'directory' && source.kind !== 'stream'),
    {
      message: 'expected a file, a text or a command for a replay',
      path: ['source'],
    },
  )
  .refine(({ detector, source }) => detector.kind === 'replay' || (source?.kind !== 'command' && source?.kind !== 'text'), {
    message: 'commands and texts are for replays only',
    path: ['source'],
  })
  .refine(({ detector, source }) => detector.kind !== 'person' || source !== undefined, {
    message: 'expected a file, a directory or a stream to look at',
    path: ['source'],
  })
  .refine(({ detector, source }) => detector.kind !== 'docker' || source === undefined || source.kind === 'stream', {
    message: 'containers see no files of the worker: expected a stream, or none',
    path: ['source'],
  })
  .refine(({ rules }) => rules.k <= rules.n, { message: 'expected at most n', path: ['rules', 'k'] });
export type DetectionParameters = z.output<typeof DetectionParameters>;

const Count = z.number().min(0);

/** What a run did, and what its session has in all. `compliance`: share of person-frames without a violation. */
export const DetectionResult = z.strictObject({
  camera_id: z.string(),
  session_id: z.string(),
  frames_read: Count.meta({ description: 'by this run' }),
  frames_new: Count.meta({ description: 'the others had been stored before' }),
  frames: Count,
  records: Count,
  sampled_records: Count,
  sampled_persons: Count,
  person_frames: Count,
  violating_person_frames: Count,
  violations: Count,
  compliance: z.number().nullable(),
});
export type DetectionResult = z.output<typeof DetectionResult>;

/** Whether a task runs a command on the worker. */
export const runsCommands = ({ source, detector }: Pick<DetectionParameters, 'source' | 'detector'>): boolean =>
  source?.kind === 'command' || detector.kind === 'command';
