import { z } from 'zod';
import { TaskEnvironment } from '../secret-values.ts';

const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'must not contain NUL characters');
const Arguments = z.array(text(131_072)).max(256);

/**
 * Parameters of a docker task. What is not here cannot be asked for: privileged mode, capabilities, mounts, devices, the host's
 * network or namespaces, security options, ports.
 */
export const DockerParameters = z.strictObject({
  image: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._\-/:@]*$/, 'not a valid image reference')
    .meta({ description: 'image, with tag or digest' }),
  command: Arguments.optional().meta({ description: "arguments in place of the image's own" }),
  entrypoint: Arguments.min(1).optional().meta({ description: "program in place of the image's own" }),
  env: TaskEnvironment.default({}).meta({ description: 'environment; values or names of secrets' }),
  working_dir: text(1_024).regex(/^\//, 'expected an absolute path').optional(),
  user: z
    .string()
    .max(64)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/, 'expected user or user:group')
    .optional(),
  network: z.enum(['none', 'bridge']).default('bridge'),
  pull: z.enum(['missing', 'never', 'always']).default('missing').meta({ description: 'when to fetch the image' }),
});
export type DockerParameters = z.output<typeof DockerParameters>;

/** How the container ended. `oom_killed`: the kernel killed something in it for want of memory. */
export const DockerResult = z.strictObject({
  exit_code: z.int(),
  oom_killed: z.boolean(),
  container_id: z.string(),
  image_id: z.string(),
  duration_s: z.number().min(0),
});
export type DockerResult = z.output<typeof DockerResult>;
