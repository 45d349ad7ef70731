import { type AlertSchedule, isWithinSchedule } from './alert-schedule.ts';
import { isWorse, SEVERITIES, type Severity } from './frame.ts';

/**
 * When violations are worth an alert. Empty lists mean any. It fires when at least `threshold` violations began within the last `window_s` seconds, at
 * `consecutive` evaluations in a row, none of them further than `window_s` from the one before; then not again for `cooldown_s` seconds.
 */
export type AlertCondition = {
  violation_types: readonly string[];
  cameras: readonly string[];
  min_severity: Severity;
  window_s: number;
  threshold: number;
  consecutive: number;
  cooldown_s: number;
  schedule: AlertSchedule | null;
};

/** A violation that opened, got worse, or was seen in a new zone. `at`: ms, by the frame's own clock. */
export type AlertEvent = {
  cause: 'opened' | 'severity' | 'zone';
  camera_id: string;
  violation_type: string;
  severity: Severity;
  zones: readonly string[];
  at: number;
};

/**
 * What is remembered for a rule and a camera. `pending`: an alert is on its way and neither delivered nor given up. `delivered_at` (ms, by the clock on the
 * wall): when the last one arrived, which is when the cool-down starts. `severity` and `zones`: of the last alert on its way or delivered.
 */
export type AlertState = {
  streak: number;
  met_at: number | null;
  pending: boolean;
  delivered_at: number | null;
  severity: Severity | null;
  zones: readonly string[];
};

export const NO_ALERT_YET: AlertState = { streak: 0, met_at: null, pending: false, delivered_at: null, severity: null, zones: [] };

/** Why an alert that was due is not sent. */
export type Suppression = 'cooldown' | 'delivery_pending' | 'outside_schedule';

/** `none`: nothing was due, nothing is recorded. `reason` of a firing: why it went out although one had gone out shortly before. */
export type AlertDecision =
  | { kind: 'none'; state: AlertState }
  | { kind: 'suppress'; reason: Suppression; state: AlertState }
  | { kind: 'fire'; reason: 'due' | 'severity' | 'zone'; state: AlertState };

/** Whether a rule is about such violations at all. */
export function concerns({ violation_types, cameras, min_severity }: AlertCondition, event: Omit<AlertEvent, 'at' | 'cause'>): boolean {
  const listed = (list: readonly string[], word: string) => list.length === 0 || list.includes(word);
  const grave = SEVERITIES.indexOf(event.severity) >= SEVERITIES.indexOf(min_severity);
  return grave && listed(violation_types, event.violation_type) && listed(cameras, event.camera_id);
}

/** How the streak goes on. Only violations that begin count; one that gets worse is the same one. */
function advanceStreak(state: AlertState, condition: AlertCondition, { event, count }: Evaluation): AlertState {
  if (event.cause !== 'opened') return state;
  if (count < condition.threshold) return { ...state, streak: 0, met_at: null };
  const near = state.met_at !== null && Math.abs(event.at - state.met_at) <= condition.window_s * 1_000;
  return { ...state, streak: near ? state.streak + 1 : 1, met_at: Math.max(event.at, near ? (state.met_at ?? 0) : 0) };
}

/** What is new about an event compared with the alert before it; null: nothing. */
function novelty(state: AlertState, event: AlertEvent): 'severity' | 'zone' | null {
  if (state.severity !== null && isWorse(event.severity, state.severity)) return 'severity';
  return event.zones.some((zone) => !state.zones.includes(zone)) ? 'zone' : null;
}

/** Why the alert before this one keeps it back; null: it does not. */
function holdsBack(state: AlertState, { cooldown_s }: AlertCondition, now: number): Suppression | null {
  if (cooldown_s === 0) return null;
  if (state.pending) return 'delivery_pending';
  return state.delivered_at !== null && now - state.delivered_at < cooldown_s * 1_000 ? 'cooldown' : null;
}

/** `count`: violations that the rule is about and that began within its window, this one included. `now`: ms, by the clock on the wall. */
export type Evaluation = { event: AlertEvent; count: number; now: number };

/**
 * Decides on one event. The caller keeps the state, records what is suppressed or fired, and delivers.
 * A worse severity or a new zone goes out although the last alert would keep it back.
 */
export function decideAlert(condition: AlertCondition, before: AlertState, evaluation: Evaluation): AlertDecision {
  const { event, count, now } = evaluation;
  if (!concerns(condition, event)) return { kind: 'none', state: before };
  const state = advanceStreak(before, condition, evaluation);
  if (count < condition.threshold || state.streak < condition.consecutive) return { kind: 'none', state };
  if (!isWithinSchedule(condition.schedule, event.at)) return { kind: 'suppress', reason: 'outside_schedule', state };
  const held = holdsBack(state, condition, now);
  const news = held ? novelty(state, event) : null;
  if (held && !news) return { kind: 'suppress', reason: held, state };
  const zones = held ? [...new Set([...state.zones, ...event.zones])] : event.zones;
  return { kind: 'fire', reason: news ?? 'due', state: { ...state, pending: true, severity: event.severity, zones } };
}
