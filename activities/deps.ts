import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import type { Logger } from '../config/logger.ts';
import type { Engine, StopReason } from '../engines/define-engine.ts';
import type { Em } from '../entities/sql.ts';
import type { Claimer } from './claimer.ts';
import type { Finisher } from './finisher.ts';
import type { LogStore } from './log-store.ts';

/** One running instance as the lease keeper sees it. `progress` 0–100 and `note` are stored with the next heartbeat. */
export type Lease = {
  runid: string;
  lease_epoch: number;
  progress: number;
  note: string | null;
  /**
   * May be called any number of times; the first reason counts. `superseded`: a later execution goes on with the same work, leave it.
   * `grace_s`: what the work gets to end by itself; absent or null: as the engine likes.
   */
  stop(reason: StopReason, grace_s?: number | null): void;
  /** The instance is over or soon may be given to another worker: its work must be gone. */
  abandon(): void;
};

/** Proves every second to the database that these instances are still ours, and learns of cancellations. */
export type Leases = { add(lease: Lease): void; remove(runid: string): void };

/** What the activities of one worker process work with; nothing here is global. */
export type ActivityDeps = {
  /** A fresh entity manager. */
  fork(): Em;
  engineOf(kind: string): Engine | undefined;
  worker: string;
  boot_id: string;
  data_dir: string;
  log_cap_bytes: number;
  artifacts: ArtifactStore;
  leases: Leases;
  claimer: Claimer;
  logs: LogStore;
  finisher: Finisher;
  /** Value of a secret that the user may use for `host`. @throws EngineError forbidden, not_found */
  secret(request: { name: string; user_id: number; host: string | null }): Promise<string>;
  /** Whether Temporal still has this run open; rejects while Temporal cannot be asked. */
  workflowIsOpen(workflow_id: string, run_id: string): Promise<boolean>;
  logger: Logger;
};
