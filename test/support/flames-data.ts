import { existsSync } from 'node:fs';
import path from 'node:path';

const DATA = process.env.TEST_DATA_DIR ?? path.resolve(import.meta.dirname, '../../../shared/data');
const file = path.join(DATA, 'flames/Flames_1k_Chinese.jsonl');

/** The 1,000 public prompts, which are not part of the project; tests that need them are skipped by name where they are absent. */
export const flamesFile = { path: file, test: existsSync(file) ? test : test.skip };
