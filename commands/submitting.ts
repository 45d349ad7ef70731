import type { Em } from '../entities/sql.ts';
import { type Inserts, makeInserts } from './insert-tasks.ts';
import type { Resolved } from './prepare-tasks.ts';
import { Resolutions } from './resolutions.ts';

/** What the requests of a process that submits much share: what templates and queues were a moment ago, and statements. */
export type Submitting = { inserts: Inserts; resolutions: Resolutions<Resolved> };

export const makeSubmitting = (fork: () => Em): Submitting => ({ inserts: makeInserts(fork), resolutions: new Resolutions() });
