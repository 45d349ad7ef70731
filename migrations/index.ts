import { Migration0001Initial } from './0001-initial.ts';
import { Migration0002Admission } from './0002-admission.ts';
import { Migration0005Retention } from './0005-retention.ts';

/** Every migration, oldest first; a released one is never edited. */
export const migrations = [
  { name: '0001-initial', class: Migration0001Initial },
  { name: '0002-admission', class: Migration0002Admission },
  { name: '0005-retention', class: Migration0005Retention },
];
