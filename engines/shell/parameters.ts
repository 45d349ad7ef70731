import path from 'node:path';
import { z } from 'zod';
import { TaskEnvironment } from '../secret-values.ts';

const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'must not contain NUL characters');

function staysBelow(folder: string): boolean {
  const normal = path.posix.normalize(folder);
  return !path.posix.isAbsolute(normal) && normal !== '..' && !normal.startsWith('../');
}

/**
 * Parameters of a shell task: a command as `argv`, run without any shell, or a `script`, run by `/bin/sh -e` (it ends at the first
 * command that fails) or by the interpreter that its first line names with `#!`.
 */
export const ShellParameters = z
  .strictObject({
    argv: z.array(text(131_072)).min(1).max(256).optional().meta({ description: 'program and arguments, run without a shell' }),
    script: text(262_144).min(1).optional().meta({ description: 'script for /bin/sh -e, or for the interpreter in its #! line' }),
    env: TaskEnvironment.default({}).meta({ description: 'environment beside PATH, HOME and LANG' }),
    working_folder: text(1_024).min(1).refine(staysBelow, "expected a relative path below the task's own folder").optional(),
    stdin: text(1_048_576).optional().meta({ description: 'standard input; empty by default' }),
  })
  .refine(({ argv, script }) => (argv === undefined) !== (script === undefined), {
    message: 'expected either argv or script',
    path: ['argv'],
  })
  .refine(({ argv }) => argv?.[0] !== '', { message: 'the program must not be empty', path: ['argv', 0] });
export type ShellParameters = z.output<typeof ShellParameters>;

/** How the command ended: `signal` is null unless a signal killed it, and then `exit_code` is null. */
export const ShellResult = z.strictObject({
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  duration_s: z.number().min(0),
});
export type ShellResult = z.output<typeof ShellResult>;
