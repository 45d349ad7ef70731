import { z } from 'zod';
import type { EngineContext } from './define-engine.ts';

/** A value given in the open, or the name of a stored secret. */
export const PlainOrSecret = (max: number) =>
  z.union([
    z
      .string()
      .max(max)
      .refine((value) => !value.includes('\0'), 'must not contain NUL characters'),
    z.strictObject({ secret: z.string().min(1).max(200).meta({ description: 'name of a secret that the user may use' }) }),
  ]);
type PlainOrSecret = string | { secret: string };

/** Environment of a process or container: names to values or secrets. Names starting with ORCHESTRATOR_ are ours: leftovers are found by them. */
export const TaskEnvironment = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'expected letters, digits and underscores, not starting with a digit')
      .refine((name) => !name.startsWith('ORCHESTRATOR_'), 'names starting with ORCHESTRATOR_ are reserved'),
    PlainOrSecret(32_768),
  )
  .refine((env) => Object.keys(env).length <= 200, 'expected at most 200 variables');

/**
 * Named values with their secrets filled in, and the list of secret values for masking.
 * @param host where the values are sent, null when they stay on the worker
 * @throws EngineError forbidden, not_found: from the secret store
 */
export async function resolveSecrets(
  values: Readonly<Record<string, PlainOrSecret>>,
  context: Pick<EngineContext, 'secret'>,
  host: string | null,
): Promise<{ values: Record<string, string>; secrets: string[]; secret_names: Set<string> }> {
  const resolved: [string, string][] = [];
  const secrets: string[] = [];
  const names = new Set<string>();
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === 'string') {
      resolved.push([name, value]);
      continue;
    }
    const secret = await context.secret(value.secret, host);
    secrets.push(secret);
    names.add(name);
    resolved.push([name, secret]);
  }
  return { values: Object.fromEntries(resolved), secrets, secret_names: names };
}
