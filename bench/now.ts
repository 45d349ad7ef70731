import { performance } from 'node:perf_hooks';

/** Wall clock in epoch milliseconds with fractions, comparable between the processes of this machine and with PostgreSQL's clock. */
export const nowMs = (): number => performance.timeOrigin + performance.now();
