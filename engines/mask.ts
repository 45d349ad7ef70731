import type { EngineLog } from './define-engine.ts';

const STARS = Buffer.from('***');

/** Replaces secrets in a stream of bytes by `***`, also where one is split between two chunks. */
export type Masker = { push(chunk: Buffer): Buffer; flush(): Buffer };

function firstSecret(bytes: Buffer, from: number, secrets: readonly Buffer[]): { at: number; length: number } | null {
  let found: { at: number; length: number } | null = null;
  for (const secret of secrets) {
    const at = bytes.indexOf(secret, from);
    if (at !== -1 && (!found || at < found.at)) found = { at, length: secret.length };
  }
  return found;
}

/** How many bytes at the end may be the beginning of a secret whose rest is still to come. */
function undecided(bytes: Buffer, secrets: readonly Buffer[]): number {
  let longest = 0;
  for (const secret of secrets) {
    for (let n = Math.min(secret.length - 1, bytes.length); n > longest; n--) {
      if (bytes.subarray(bytes.length - n).equals(secret.subarray(0, n))) longest = n;
    }
  }
  return longest;
}

/** Longer secrets win over shorter ones that start at the same place. Empty values mask nothing. */
export function createMasker(values: readonly string[]): Masker {
  const secrets = values.filter(Boolean).map((value) => Buffer.from(value));
  secrets.sort((a, b) => b.length - a.length);
  let held: Buffer = Buffer.alloc(0);
  const push = (chunk: Buffer, last = false): Buffer => {
    if (secrets.length === 0) return chunk;
    const bytes = held.length > 0 ? Buffer.concat([held, chunk]) : chunk;
    const out: Buffer[] = [];
    let from = 0;
    for (let hit = firstSecret(bytes, 0, secrets); hit; hit = firstSecret(bytes, from, secrets)) {
      out.push(bytes.subarray(from, hit.at), STARS);
      from = hit.at + hit.length;
    }
    const rest = bytes.subarray(from);
    const keep = last ? 0 : undecided(rest, secrets);
    held = Buffer.from(rest.subarray(rest.length - keep));
    out.push(rest.subarray(0, rest.length - keep));
    return Buffer.concat(out);
  };
  return { push: (chunk) => push(chunk), flush: () => push(Buffer.alloc(0), true) };
}

/** Text with every secret replaced by `***`. */
export function maskText(text: string, secrets: readonly string[]): string {
  const longestFirst = secrets.filter(Boolean).sort((a, b) => b.length - a.length);
  return longestFirst.reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
}

/** The log of a task that knows secrets. `end` writes what was held back in case it became one. */
export function maskedLog(log: EngineLog, secrets: readonly string[]): EngineLog & { end(): Promise<void> } {
  const maskers = { stdout: createMasker(secrets), stderr: createMasker(secrets) };
  const put = async (stream: 'stdout' | 'stderr', bytes: Buffer): Promise<void> => {
    if (bytes.length > 0) await log.write(stream, bytes);
  };
  return {
    lines_before: log.lines_before,
    write: (stream, chunk) => put(stream, maskers[stream].push(chunk)),
    system: (line) => log.system(maskText(line, secrets)),
    end: async () => {
      await put('stdout', maskers.stdout.flush());
      await put('stderr', maskers.stderr.flush());
    },
  };
}
