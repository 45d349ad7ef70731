import type { Outcome } from './outcome.ts';
import type { FinalInstanceStatus } from './states.ts';

/**
 * What starts a workflow of one instance: ids and small numbers only, since histories keep inputs. Everything else is read from the row.
 * `timeout_s`: how long the task may run. `heartbeat_timeout_s`: silence after which Temporal gives the activity to the next execution.
 * `title`: one line for Temporal UI. `patience_ms`: the work is expected to be short; so long it is waited for within the workflow's first step,
 * and Temporal hears of it when it is over. Absent: from the beginning it is an activity that Temporal watches.
 */
export type InstanceInput = {
  runid: string;
  task_id: string;
  attempt: number;
  timeout_s: number;
  heartbeat_timeout_s: number;
  title: string;
  patience_ms?: number;
};

/**
 * How an instance ended, as workflows and Temporal UI know it. `superseded`: another execution owns it, this one must not say anything.
 * `going_on`: it has not ended within the patience that was asked for.
 */
export type InstanceReport = { status: FinalInstanceStatus | 'superseded' | 'going_on'; code: string };

/**
 * Which instance an engine activity is about. `patience_ms`: answer after so long, whether it has ended or not. `earlier`: executions of this
 * instance that Temporal does not count among the attempts of this activity.
 */
export type EngineInput = { runid: string; patience_ms?: number; earlier?: number };

/** One engine activity, named after the engine. It claims the instance, runs it and makes it final. */
export type EngineActivity = (input: EngineInput) => Promise<InstanceReport>;

/** Id of the engine activity of an instance whose first execution was not over within its patience; in other workflows it is the first, `1`. */
export const ENGINE_ACTIVITY = 'engine';

/** Makes an instance final whose engine activity could not. @returns how it ended, which may be what somebody else wrote before */
export type FallbackFinish = (item: { runid: string; outcome: Outcome }) => Promise<InstanceReport>;

/** What starts a workflow of several instances. `timeout_s`: the longest of theirs; the rest as for one. */
export type WaveInput = Pick<InstanceInput, 'heartbeat_timeout_s' | 'title' | 'timeout_s' | 'patience_ms'> & { workflow_id: string };

/** A workflow of short work that Temporal has started and whose first step the worker has in hand. `runid`: of its instance; null: it is a wave. */
export type Begun = { workflow_id: string; temporal_run_id: string; runid: string | null };

/** How many instances of a wave ended how, those that were final before left out. `going_on`: not all have ended within the patience that was asked for. */
export type WaveReport = { status: 'ended' | 'going_on'; ended: Partial<Record<FinalInstanceStatus | 'superseded', number>> };

/** Runs what is live of the instances of a workflow, all at once, and makes each final by itself. As `EngineActivity`. */
export type WaveActivity = (input: { workflow_id: string; patience_ms?: number; earlier?: number }) => Promise<WaveReport>;

/** Makes the instances of a wave final that are not. */
export type WaveFinish = (item: { workflow_id: string; outcome: Outcome }) => Promise<WaveReport>;

/** Starts the workflow of one fire of a schedule. `jitter_ms`: how long after the nominal time the schedule is due. */
export type CronFireInput = { schedule_id: string; jitter_ms: number };

/** What a fire did: how many tasks it submitted. None is ordinary: another process was faster. */
export type CronFireReport = { submitted: number };

/** Does all that a schedule has to do now. Repeating it is harmless. */
export type FireSchedule = (input: { schedule_id: string }) => Promise<CronFireReport>;

/** Starts the workflow of one breach. */
export type SlaBreachInput = { breach_id: string };

/** One action of a breach and what became of it; `waiting` while it waits for another SLA's, which goes first. */
export type SlaActionReport = {
  no: number;
  kind: string;
  state: 'waiting' | 'done' | 'skipped' | 'suppressed' | 'failed' | 'gone';
  code: string | null;
};

/** What a breach has to do, in order; also decides whether it may tell anybody. Repeating it is harmless. */
export type PrepareBreach = (input: SlaBreachInput) => Promise<{ actions: { no: number; kind: string }[] }>;

/** Does one action, once, however often it is called. */
export type ActOnBreach = (input: { breach_id: string; no: number }) => Promise<SlaActionReport>;

/** Tells the workflow of a running instance which SLAs its task has broken, by name, so that it can be found by them. */
export const SLA_BREACHED_SIGNAL = 'slaBreached';

/** The task queue of workflows that belong to no instance; every dispatcher process polls it. */
export const ORCHESTRATOR_QUEUE = 'orchestrator';
