import { Migration0001Initial } from './0001-initial.ts';

/** Every migration, oldest first; a released one is never edited. */
export const migrations = [{ name: '0001-initial', class: Migration0001Initial }];
