import { type AlertDecision, type AlertEvent, concerns, decideAlert } from '../../core/detection/alerts.ts';
import type { OpenViolation } from '../../core/detection/violations.ts';
import {
  type ActiveRule,
  type AlertRow,
  activeRules,
  type Counted,
  countViolations,
  lockAlertStates,
  type StoredState,
  storeDecisions,
} from '../../entities/alert.queries.ts';
import type { Em } from '../../entities/sql.ts';

/** A change of a violation that rules may be about. */
export type ViolationNews = { cause: 'opened' | 'severity' | 'zone'; camera_id: string; violation: OpenViolation; timestamp: number };

type Question = { rule: ActiveRule; news: ViolationNews; event: AlertEvent };

const eventOf = ({ cause, camera_id, violation, timestamp }: ViolationNews): AlertEvent => ({
  cause,
  camera_id,
  violation_type: violation.type,
  severity: violation.severity,
  zones: violation.zones,
  at: cause === 'opened' ? violation.first_ms : timestamp,
});

const keyOf = (rule_id: number, camera_id: string): string => `${rule_id} ${camera_id}`;

/** One decision for each rule, violation and cause, for ever: a repeated evaluation meets the key of the first. */
function dedupKey({ rule, news }: Question): string {
  const what = news.cause === 'severity' ? news.violation.severity : news.cause === 'zone' ? (news.violation.zones.at(-1) ?? '') : '';
  return [rule.id, news.violation.id, news.cause, what].join('/').slice(0, 300);
}

type Due = { question: Question; decision: Exclude<AlertDecision, { kind: 'none' }>; counted: Counted };

const rowOf = ({ question, decision, counted }: Due): AlertRow => ({
  rule_id: question.rule.id,
  rule_name: question.rule.name,
  camera_id: question.news.camera_id,
  violation_id: question.news.violation.id,
  violation_ids: counted.violation_ids,
  violation_type: question.event.violation_type,
  severity: question.event.severity,
  violations: counted.count,
  reason: decision.reason,
  dedup_key: dedupKey(question),
  suppressed: decision.kind === 'suppress',
  channels: question.rule.channels,
});

/** Decides one after the other, as each decision depends on the one before it; `states` is moved on. */
function decide(questions: readonly Question[], states: Map<string, StoredState>, counts: ReadonlyMap<number, Counted>): AlertRow[] {
  const rows: AlertRow[] = [];
  for (const [i, question] of questions.entries()) {
    const { rule, event } = question;
    const key = keyOf(rule.id, event.camera_id);
    const [state, counted] = [states.get(key), counts.get(i + 1)];
    if (!state || !counted) continue;
    const decision = decideAlert(rule, state, { event, count: counted.count, now: rule.now });
    states.set(key, { ...state, ...decision.state });
    if (decision.kind !== 'none') rows.push(rowOf({ question, decision, counted }));
  }
  return rows;
}

/**
 * Asks every rule about what happened to violations, in the transaction that stores them: so no violation is stored without its alerts. Firing is a row of the
 * history; whoever delivers finds it there.
 */
export async function evaluateAlerts(em: Em, news: readonly ViolationNews[]): Promise<void> {
  if (news.length === 0) return;
  const rules = await activeRules(em);
  const ordered = news.toSorted((a, b) => eventOf(a).at - eventOf(b).at);
  const questions = ordered.flatMap((one) => {
    const event = eventOf(one);
    return rules.filter((rule) => concerns(rule, event)).map((rule) => ({ rule, news: one, event }));
  });
  if (questions.length === 0) return;
  const keys = new Map(
    questions.map(({ rule, event }) => [keyOf(rule.id, event.camera_id), { rule_id: rule.id, camera_id: event.camera_id }]),
  );
  const states = new Map((await lockAlertStates(em, [...keys.values()])).map((state) => [keyOf(state.rule_id, state.camera_id), state]));
  const orders = questions.map(({ rule, event }) => ({ rule_id: rule.id, camera_id: event.camera_id, at: event.at }));
  const counts = new Map((await countViolations(em, orders)).map((counted) => [counted.i, counted]));
  const rows = decide(questions, states, counts);
  await storeDecisions(em, [...states.values()], rows);
}
