import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Config } from '../config/env.ts';

const VALID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** Starts with the machine's name, so that people recognise it; the rest keeps machines of the same name apart. */
function newId(): string {
  const host = os
    .hostname()
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  return `${host.slice(0, 40) || 'worker'}-${randomBytes(4).toString('hex')}`;
}

async function readId(file: string): Promise<string | null> {
  const text = (await readFile(file, 'utf8').catch(() => '')).trim();
  return VALID.test(text) ? text : null;
}

/**
 * The stable id of the worker of this data folder: WORKER_ID, else made once and kept in `<DATA_DIR>/worker-id`. Several workers on one
 * machine need a WORKER_ID or a DATA_DIR each: of two with the same id, the later stops the earlier.
 */
export async function workerId(config: Pick<Config, 'WORKER_ID' | 'DATA_DIR'>): Promise<string> {
  if (config.WORKER_ID) return config.WORKER_ID;
  const file = path.join(config.DATA_DIR, 'worker-id');
  const known = await readId(file);
  if (known) return known;
  await mkdir(config.DATA_DIR, { recursive: true });
  return await keep(file, newId());
}

/** Written aside and linked: of several processes that start at once one wins, and all use its id. */
async function keep(file: string, id: string): Promise<string> {
  const aside = `${file}.${process.pid}`;
  await writeFile(aside, `${id}\n`);
  if ((await readFile(file, 'utf8').catch(() => null)) !== null) await unlink(file);
  await link(aside, file).catch(() => undefined);
  await unlink(aside);
  return (await readId(file)) ?? id;
}
