import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Real person tracks, where the folder of test data is there. */
export const TUD_CAMPUS = path.resolve(process.env.TEST_DATA_DIR ?? '../shared/data', 'mot/TUD-Campus_gt.txt');

export const describeWithTracks = existsSync(TUD_CAMPUS) ? describe : describe.skip;

export const tudCampusLines = (): string[] => readFileSync(TUD_CAMPUS, 'utf8').split('\n');
