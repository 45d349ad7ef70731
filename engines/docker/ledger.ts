import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import type { Outcome } from '../../core/outcome.ts';

/**
 * What is known on this machine about an instance's container, beyond the container itself: that it was created, and how it ended.
 * Without it, a worker killed between removing the container and storing the outcome would run the work a second time.
 */
export type Ledger = {
  wasCreated(): Promise<boolean>;
  created(container_id: string): Promise<void>;
  outcome(): Promise<Outcome | null>;
  ended(outcome: Outcome): Promise<void>;
};

async function readJson<T>(file: string): Promise<T | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch {
    return null;
  }
}

/** Whole or not at all: written aside, flushed, then renamed. */
async function writeJson(file: string, value: unknown): Promise<void> {
  const aside = `${file}.new`;
  const handle = await open(aside, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(value));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, file);
}

/** The ledger of the instance whose folder this is. */
export function openLedger(folder: string): Ledger {
  const container = path.join(folder, 'container.json');
  const outcome = path.join(folder, 'outcome.json');
  return {
    wasCreated: async () => (await readJson(container)) !== null,
    created: (container_id) => writeJson(container, { container_id }),
    outcome: () => readJson<Outcome>(outcome),
    ended: (value) => writeJson(outcome, value),
  };
}
