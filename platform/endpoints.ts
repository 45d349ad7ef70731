import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Where the parts of a running system are; `database_url` holds a password, so the file is readable by its owner only. */
export type Endpoints = {
  api: string;
  docs: string;
  temporal_ui: string | null;
  temporal_address: string;
  database_url: string;
};

const fileIn = (data_dir: string): string => path.join(data_dir, 'endpoints.json');

/** Writes a file that only its owner may read, in one step. */
export function writePrivate(file: string, text: string): void {
  writeFileSync(`${file}.part`, text, { mode: 0o600 });
  renameSync(`${file}.part`, file);
}

export const writeEndpoints = (data_dir: string, endpoints: Endpoints): void =>
  writePrivate(fileIn(data_dir), `${JSON.stringify(endpoints, null, 2)}\n`);

export const removeEndpoints = (data_dir: string): void => rmSync(fileIn(data_dir), { force: true });

/** What the last start wrote, null when there was none or it ended cleanly. */
export function readEndpoints(data_dir: string): Endpoints | null {
  try {
    return JSON.parse(readFileSync(fileIn(data_dir), 'utf8')) as Endpoints;
  } catch {
    return null;
  }
}
