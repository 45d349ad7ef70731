import { appendLogBatches, type LogBatch } from '../commands/append-logs.ts';
import { Gatherer } from '../commands/gatherer.ts';
import type { Logger } from '../config/logger.ts';
import type { Em } from '../entities/sql.ts';
import { insist } from './patience.ts';

/** Stores log lines of several instances together. False: another execution owns the instance. While the database is away it keeps trying. */
export type LogStore = Pick<Gatherer<LogBatch, boolean>, 'add'>;

/** A writer gives at most 256 KB and 500 lines at a time, and one batch at a time. */
const MOST = 20;

export const makeLogStore = ({ fork, logger }: { fork(): Em; logger: Logger }): LogStore =>
  new Gatherer({
    run: (batches) => insist(() => appendLogBatches(fork(), batches), { what: 'store log lines', logger }),
    most: MOST,
  });
