import { parseArgs } from 'node:util';
import { EngineError } from '../core/errors.ts';

/** How much is measured. `blocks`: pairs per comparison; `waiting`: tasks that wait while passes are measured; the others are counts per block. */
export type Sizes = {
  blocks: number;
  jobs: number;
  submits: number;
  submits_32: number;
  starts: number;
  releases: number;
  passes: number;
  prompts: number;
  waiting: readonly number[];
};

/** What can be measured by itself. */
export const GROUPS = ['throughput', 'idle', 'submit', 'release', 'passes', 'flames', 'sla'] as const;
export type Group = (typeof GROUPS)[number];

/** `only`: which groups; `json`: file to write; `strict`: fail when a bar was missed or a figure refused; `profile`: folder for CPU profiles of the
 * processes and the statements of the database. */
export type Settings = Sizes & { quick: boolean; only: readonly Group[]; json: string | null; strict: boolean; profile: string | null };

const FULL: Sizes = {
  blocks: 6,
  jobs: 100,
  submits: 200,
  submits_32: 600,
  starts: 25,
  releases: 100,
  passes: 20,
  prompts: 1_000,
  waiting: [100, 10_000, 100_000],
};
const QUICK: Sizes = {
  blocks: 2,
  jobs: 40,
  submits: 60,
  submits_32: 200,
  starts: 10,
  releases: 30,
  passes: 10,
  prompts: 400,
  waiting: [100, 10_000],
};

export const USAGE =
  'npm run bench -- [--quick] [--blocks <n>] [--jobs <n>] [--json <file>] [--strict] [--only <group>] [--profile <folder>]';

/** @throws EngineError invalid_input */
export function parseSettings(args: readonly string[]): Settings {
  const { values } = parse(args);
  const sizes = values.quick ? QUICK : FULL;
  return {
    ...sizes,
    blocks: count('--blocks', values.blocks, sizes.blocks),
    jobs: count('--jobs', values.jobs, sizes.jobs),
    quick: values.quick ?? false,
    only: groups(values.only),
    json: values.json ?? null,
    strict: values.strict ?? false,
    profile: values.profile ?? null,
  };
}

function parse(args: readonly string[]) {
  const boolean = { type: 'boolean' } as const;
  const string = { type: 'string' } as const;
  try {
    const options = { quick: boolean, strict: boolean, blocks: string, jobs: string, only: string, json: string, profile: string };
    return parseArgs({ args: [...args], options });
  } catch (cause) {
    throw new EngineError('invalid_input', `${(cause as Error).message}; usage: ${USAGE}`, { cause });
  }
}

function count(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000)
    throw new EngineError('invalid_input', `${name}: expected a whole number from 1 to 10000, got "${text}"`);
  return value;
}

function groups(text: string | undefined): readonly Group[] {
  if (text === undefined) return GROUPS;
  const found = GROUPS.find((group) => group === text);
  if (!found) throw new EngineError('invalid_input', `--only: expected one of ${GROUPS.join(', ')}, got "${text}"`);
  return [found];
}
