import type { Client } from '@temporalio/client';
import type { Config } from '../config/env.ts';
import type { Logger } from '../config/logger.ts';
import type { Begun } from '../core/workflow-contract.ts';
import type { Engines } from '../engines/define-engine.ts';
import type { Em } from '../entities/sql.ts';

/** A worker in the process of the dispatcher, over whose connection `client` works: its workflows start without a round trip. `begin`: begins the work at once. */
export type LocalWorker = { id: string; begin(start: Begun): void };

/** What the parts of a dispatcher process work with. */
export type DispatcherDeps = {
  /** A fresh entity manager. */
  fork(): Em;
  /** Address of PostgreSQL, for connections that are held: notifications and the reconciler's lock. */
  database_url: string;
  client: Client;
  /** host:port of Temporal, for the connection of the worker of the task queue `orchestrator`. */
  temporal_address: string;
  /** What schedules may submit. */
  engines: Engines;
  /** The worker in this same process, if there is one. */
  local_worker: LocalWorker | null;
  /** Registers the search attributes of workflows, should Temporal not know them (any more). */
  ensureSearchAttributes(): Promise<void>;
  config: Pick<
    Config,
    | 'DATA_DIR'
    | 'HEARTBEAT_TIMEOUT_S'
    | 'LOST_AFTER_S'
    | 'OUTBOUND_ALLOW'
    | 'POLL_EVERY_S'
    | 'RECONCILE_EVERY_S'
    | 'SECRETS_KEY'
    | 'SMTP_FROM'
    | 'SMTP_URL'
    | 'TEMPORAL_API_KEY'
    | 'TEMPORAL_NAMESPACE'
    | 'TEMPORAL_TLS'
    | 'WAVES'
    | 'WAVE_SIZE'
  >;
  logger: Logger;
};
