import type { Logger } from 'pino';
import type { z } from 'zod';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import type { FieldProblem } from '../core/errors.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Em } from '../entities/sql.ts';

/** What happens to an instance whose worker vanished: go on with the same container, re-enter and skip what is done, or start afresh. */
export type OnWorkerLost = 'reattach' | 'resume' | 'new_instance';

/** Why a run must stop; the `reason` of the abort signal. */
export type StopReason = 'cancel' | 'timeout' | 'total_timeout' | 'superseded' | 'shutdown';

/** Facts of the instance that an engine may need. CPU in cores, memory in MB, `timeout` in seconds. `execution` counts entries into the same instance, from 1. */
export type EngineInstance = {
  runid: string;
  task_id: string;
  user_id: number;
  template: string;
  attempt: number;
  execution: number;
  cpu: number;
  memory_mb: number;
  timeout: number;
};

/** Where an engine writes what its task prints. Lines are numbered, stored within a second, in order, and capped. */
export type EngineLog = {
  /** Raw output; split into lines here, bytes decoded as UTF-8 across chunks. Resolves when there is room for more: await it (back-pressure). */
  write(stream: 'stdout' | 'stderr', chunk: Buffer): Promise<void>;
  /** One line of the engine's own, stream `system`. */
  system(line: string): Promise<void>;
  /** Lines of stdout and stderr that earlier executions of this instance stored or cut: what a re-attached engine must skip. */
  readonly lines_before: number;
};

/** What a run gets besides its parameters. */
export type EngineContext = {
  /** Aborted with a `StopReason`; the run must have stopped its work and returned or thrown within seconds. */
  signal: AbortSignal;
  /** Once `signal` is aborted: seconds that the work may take to end by itself before it is killed; null: as the engine likes. */
  graceS(): number | null;
  log: EngineLog;
  /** Reports progress, 0–100, and a word on what is being done; liveness is reported without it. */
  progress(percent: number, note?: string): void;
  instance: EngineInstance;
  /** Private folder of this instance on this worker, made before the run, removed after it; not there for an engine that uses none. */
  folder: string;
  /** A fresh entity manager, for rows of the engine's own; what only the owner of the instance may write goes through `fenced`. */
  em(): Em;
  /**
   * One short transaction for rows of the engine's own, in which this execution is sure to own the instance: a worker that was given up writes nothing.
   * @throws EngineError superseded: another execution owns it, or it is final
   */
  fenced<T>(work: (em: Em) => Promise<T>): Promise<T>;
  /** Files that outlive the instance. */
  artifacts: ArtifactStore;
  /** Value of a named secret that the task's user may use, for `host` (null: not sent to a host). @throws EngineError forbidden, not_found */
  secret(name: string, host: string | null): Promise<string>;
  logger: Logger;
};

/** Who submits, as an engine's own check sees it. */
export type Submitter = { em: Em; actor: { id: number; username: string; role: string; rights: readonly string[] } };

/** One kind of task. Parameters arrive parsed by `parameters`; `run` returns an outcome and throws only for faults of the surroundings. */
export type Engine<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> = {
  kind: string;
  summary: string;
  parameters: P;
  result: R;
  on_worker_lost: OnWorkerLost;
  /** Several short instances may share one workflow. */
  batchable: boolean;
  /** False: it never touches its folder, which then is not made. */
  uses_folder?: boolean;
  /** Right that a user needs to submit it, null for none. */
  right: 'shell' | null;
  /** The one worker on which a task with these parameters may run; absent: any that offers the engine. */
  worker?(parameters: z.output<P>): string;
  /** What an instance asks for unless its template says otherwise: cores and MB; `quota_cost`: what one task takes of its user's quota, default 0. */
  defaults: { cpu: number; memory_mb: number; quota_cost?: number };
  /** Whether this machine can run it now, and if not, why, in one sentence. */
  available(): Promise<{ ok: true } | { ok: false; reason: string }>;
  /** Id of the Docker Engine that it works with, by which rows of images and containers name it. Rejects while it is away. */
  daemon?(): Promise<string>;
  /**
   * What only the database knows to be wrong with parameters that match the schema, at submit; pointers below `/parameters`. Looks, never changes.
   * @throws EngineError forbidden: not for this user
   */
  check?(parameters: z.output<P>, submitter: Submitter): Promise<FieldProblem[]>;
  run(parameters: z.output<P>, context: EngineContext): Promise<Outcome>;
  /** Called at worker start and then each minute: removes what instances other than `live` left behind on this machine. */
  sweep?(live: ReadonlySet<string>, logger: Logger): Promise<void>;
};

/** Declares an engine; keeps the schemas' types for `run`. */
export const defineEngine = <P extends z.ZodType, R extends z.ZodType>(engine: Engine<P, R>): Engine<P, R> => engine;

/** The engines of this process, as `createEngines(config)` makes them; making them does no I/O. */
export type Engines = { all: readonly Engine[]; byKind(kind: string): Engine | undefined };
