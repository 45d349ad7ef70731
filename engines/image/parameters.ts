import { z } from 'zod';

const Image = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._\-/:@]*$/, 'not a valid image reference')
  .meta({ description: 'image, with registry and tag or digest' });
const Target = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[a-z0-9][A-Za-z0-9._\-/:]*$/, 'not a valid image name: small letters, with registry and tag');
const Worker = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'not a worker')
  .meta({ description: 'on whose Docker Engine' });
const Secret = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'not the name of a secret')
  .meta({ description: 'secret with the registry’s credentials: user:password, or a JSON object with username and password' });
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'must not hold NUL characters or lone surrogates');
const Artifact = z
  .string()
  .min(1)
  .max(300)
  .regex(/^images\/[A-Za-z0-9._-]+$/, 'not an uploaded file');

const Files = z
  .record(
    z
      .string()
      .min(1)
      .max(100)
      .regex(/^[A-Za-z0-9._][A-Za-z0-9._/-]*$/, 'not a relative path'),
    text(200_000),
  )
  .refine((files) => Object.keys(files).length <= 50, 'must not have more than 50 files')
  .refine((files) => !Object.keys(files).some((path) => path.split('/').includes('..')), 'must not leave the folder');

/** What can be done with images of one worker's Docker Engine. Nothing else of the Engine's API can be asked for. */
export const ImageOperation = z.discriminatedUnion('operation', [
  z.strictObject({ operation: z.literal('pull'), worker: Worker, image: Image, credentials: Secret.optional() }),
  z.strictObject({ operation: z.literal('push'), worker: Worker, image: Image, credentials: Secret.optional() }),
  z.strictObject({ operation: z.literal('tag'), worker: Worker, image: Image, target: Target }),
  z.strictObject({ operation: z.literal('remove'), worker: Worker, image: Image, force: z.boolean().default(false) }),
  z.strictObject({ operation: z.literal('import'), worker: Worker, target: Target, artifact: Artifact }),
  z.strictObject({
    operation: z.literal('build'),
    worker: Worker,
    target: Target,
    dockerfile: text(100_000).min(1),
    files: Files.default({}),
    arguments: z.record(z.string().max(100), text(2_000)).default({}),
    network: z.enum(['none', 'bridge']).default('none').meta({ description: 'of the commands that the build runs' }),
  }),
  z.strictObject({
    operation: z.literal('prune'),
    worker: Worker,
    all: z.boolean().default(false).meta({ description: 'also tagged images that no container uses' }),
    until_hours: z.number().min(0).max(87_600).optional().meta({ description: 'only images older than this' }),
  }),
]);
export type ImageOperation = z.output<typeof ImageOperation>;

/** What a field holds is checked where it is declared; here, which fields an operation needs and takes. */
const isMissing = (value: Record<string, unknown>, [field]: readonly PropertyKey[]): boolean =>
  typeof field === 'string' && value[field] === undefined;

/** The same as one closed object, as templates and forms want it: which fields an operation takes is checked by `ImageOperation`. */
export const ImageParameters = z
  .strictObject({
    operation: z.enum(['pull', 'push', 'tag', 'remove', 'import', 'build', 'prune']),
    worker: Worker,
    image: Image.optional(),
    target: Target.optional(),
    credentials: Secret.optional(),
    force: z.boolean().optional(),
    artifact: Artifact.optional().meta({ description: 'uploaded tar of a file system' }),
    dockerfile: text(100_000).min(1).optional(),
    files: Files.optional().meta({ description: 'files beside the Dockerfile, by path' }),
    arguments: z.record(z.string().max(100), text(2_000)).optional().meta({ description: 'build arguments' }),
    network: z.enum(['none', 'bridge']).optional().meta({ description: 'of the commands that a build runs' }),
    all: z.boolean().optional().meta({ description: 'prune also tagged images that no container uses' }),
    until_hours: z.number().min(0).max(87_600).optional().meta({ description: 'prune only images older than this' }),
  })
  .superRefine((value, ctx) => {
    for (const issue of ImageOperation.safeParse(value).error?.issues ?? [])
      if (issue.code === 'unrecognized_keys' || isMissing(value, issue.path)) ctx.addIssue({ ...issue } as never);
  });
export type ImageParameters = z.output<typeof ImageParameters>;

/** What the operation left behind. `image_id` null: it was about no single image. `bytes`: that travelled, or that were freed. */
export const ImageResult = z.strictObject({
  operation: z.string(),
  image: z.string().nullable(),
  image_id: z.string().nullable(),
  digest: z.string().nullable(),
  bytes: z.number(),
  layers: z.int(),
  removed: z.array(z.string()),
  duration_ms: z.int(),
});
export type ImageResult = z.output<typeof ImageResult>;

/** The name by which lists show the operation's image. */
export function imageNameOf(parameters: ImageOperation): string {
  if (parameters.operation === 'prune') return parameters.all ? 'unused images' : 'dangling images';
  return parameters.operation === 'import' || parameters.operation === 'build' ? parameters.target : parameters.image;
}
