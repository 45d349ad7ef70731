import fc from 'fast-check';
import { isWithinSchedule } from '../../../core/detection/alert-schedule.ts';
import {
  type AlertCondition,
  type AlertDecision,
  type AlertEvent,
  type AlertState,
  decideAlert,
  NO_ALERT_YET,
} from '../../../core/detection/alerts.ts';
import { SEVERITIES } from '../../../core/detection/frame.ts';

const RULE: AlertCondition = {
  violation_types: [],
  cameras: [],
  min_severity: 'low',
  window_s: 300,
  threshold: 1,
  consecutive: 1,
  cooldown_s: 60,
  schedule: null,
};
const NOW = Date.UTC(2026, 0, 5, 12);

const event = (more: Partial<AlertEvent> = {}): AlertEvent => ({
  cause: 'opened',
  camera_id: 'c',
  violation_type: 'no_hairnet',
  severity: 'medium',
  zones: [],
  at: NOW,
  ...more,
});
type Given = { rule?: Partial<AlertCondition>; state?: Partial<AlertState>; event?: Partial<AlertEvent>; count?: number; now?: number };
const decide = ({ rule, state, event: more, count = 1, now = NOW }: Given): AlertDecision =>
  decideAlert({ ...RULE, ...rule }, { ...NO_ALERT_YET, ...state }, { event: event(more), count, now });
const said = (decision: AlertDecision): string => (decision.kind === 'none' ? 'none' : `${decision.kind} ${decision.reason}`);

describe('an alert', () => {
  it('goes out once for 20 violations within a minute; the other 19 are kept back with a reason', () => {
    let state = NO_ALERT_YET;
    const all: string[] = [];
    for (let i = 0; i < 20; i += 1) {
      const decision = decideAlert(RULE, state, { event: event({ at: NOW + i * 2_500 }), count: i + 1, now: NOW + i * 2_500 });
      state = decision.state;
      all.push(said(decision));
      if (i === 3) state = { ...state, pending: false, delivered_at: NOW + i * 2_500 };
    }
    expect(all[0]).toBe('fire due');
    expect(all.slice(1, 4)).toEqual(Array(3).fill('suppress delivery_pending'));
    expect(all.slice(4)).toEqual(Array(16).fill('suppress cooldown'));
  });

  it('that could not be delivered starts no cool-down', () => {
    const fired = decide({}).state;
    expect(said(decideAlert(RULE, { ...fired, pending: false }, { event: event(), count: 2, now: NOW }))).toBe('fire due');
  });

  it('cools down from its delivery, not from its firing', () => {
    const delivered_at = NOW - 60_000;
    expect(said(decide({ state: { delivered_at: delivered_at + 1, severity: 'medium' } }))).toBe('suppress cooldown');
    expect(said(decide({ state: { delivered_at, severity: 'medium' } }))).toBe('fire due');
    expect(said(decide({ rule: { cooldown_s: 0 }, state: { delivered_at: NOW, pending: true } }))).toBe('fire due');
  });

  it('that is worse, or of a new zone, is not kept back', () => {
    const state = { delivered_at: NOW - 1, severity: 'medium' as const, zones: ['door'] };
    expect(said(decide({ state, event: { severity: 'high', cause: 'severity' }, rule: { consecutive: 0 } }))).toBe('fire severity');
    expect(said(decide({ state, event: { zones: ['oven'] } }))).toBe('fire zone');
    expect(said(decide({ state, event: { severity: 'low', zones: ['door'] } }))).toBe('suppress cooldown');
    const fired = decide({ state, event: { zones: ['oven'] } });
    expect(fired.state).toMatchObject({ pending: true, zones: ['door', 'oven'] });
    expect(said(decideAlert(RULE, fired.state, { event: event({ zones: ['oven'] }), count: 2, now: NOW }))).toBe(
      'suppress delivery_pending',
    );
  });

  it('waits for its threshold, and for as many evaluations in a row', () => {
    expect(said(decide({ rule: { threshold: 3 }, count: 2 }))).toBe('none');
    expect(said(decide({ rule: { threshold: 3 }, count: 3 }))).toBe('fire due');
    const rule = { consecutive: 3, threshold: 2 };
    let state = NO_ALERT_YET;
    const step = (count: number, at: number) => {
      const decision = decideAlert({ ...RULE, ...rule }, state, { event: event({ at }), count, now: at });
      state = decision.state;
      return said(decision);
    };
    expect([step(2, NOW), step(2, NOW + 1), step(1, NOW + 2), step(2, NOW + 3), step(2, NOW + 4)]).toEqual(Array(5).fill('none'));
    expect(step(2, NOW + 5)).toBe('fire due');
    state = NO_ALERT_YET;
    expect([step(2, NOW), step(2, NOW + 1), step(2, NOW + 300_002)]).toEqual(['none', 'none', 'none']);
    expect([step(2, NOW + 300_003), step(2, NOW + 300_004)]).toEqual(['none', 'fire due']);
  });

  it('is about the types, cameras and severities that the rule names', () => {
    expect(said(decide({ rule: { violation_types: ['no_gloves'] } }))).toBe('none');
    expect(said(decide({ rule: { cameras: ['d'] } }))).toBe('none');
    expect(said(decide({ rule: { min_severity: 'high' } }))).toBe('none');
    expect(said(decide({ rule: { violation_types: ['x', 'no_hairnet'], cameras: ['c'], min_severity: 'medium' } }))).toBe('fire due');
  });

  it('outside of its schedule is kept back', () => {
    const schedule = { timezone: 'UTC', days: [1], from: '13:00', to: '14:00' };
    expect(said(decide({ rule: { schedule } }))).toBe('suppress outside_schedule');
    expect(said(decide({ rule: { schedule }, event: { at: NOW + 3_600_000 } }))).toBe('fire due');
  });

  it('never follows another within the cool-down, unless it is worse or of a new zone', () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: 40_000 }),
      severity: fc.constantFrom(...SEVERITIES),
      zones: fc.constantFrom(['a'], ['b'], []),
      outcome: fc.constantFrom('sent', 'failed', 'later'),
    });
    fc.assert(fc.property(fc.array(step), (steps) => void steps.reduce(expectStep, { state: NO_ALERT_YET, now: NOW })));
  });
});

type Step = { wait: number; severity: AlertEvent['severity']; zones: readonly string[]; outcome: string };
type World = { state: AlertState; now: number };

/** One event and what becomes of the alert that it may fire. */
function expectStep({ state, now: before }: World, { wait, severity, zones, outcome }: Step): World {
  const now = before + wait;
  const quiet = state.pending || (state.delivered_at !== null && now - state.delivered_at < 60_000);
  const decision = decideAlert(RULE, state, { event: event({ severity, zones, at: now }), count: 1, now });
  const due = decision.kind === 'fire' && decision.reason === 'due';
  expect([due, decision.kind === 'suppress' && !quiet]).toEqual([!quiet, false]);
  if (!decision.state.pending || outcome === 'later') return { state: decision.state, now };
  return { state: { ...decision.state, pending: false, delivered_at: outcome === 'sent' ? now : decision.state.delivered_at }, now };
}

describe('schedules of rules', () => {
  const within = (text: string, more: object = {}) =>
    isWithinSchedule({ timezone: 'Europe/Berlin', days: [1, 2, 3, 4, 5], from: '06:00', to: '22:00', ...more }, Date.parse(text));

  it('go by the wall clock of their zone, also where it jumps', () => {
    expect([within('2026-01-05T05:00:00Z'), within('2026-01-05T04:59:59.999Z')]).toEqual([true, false]);
    expect([within('2026-07-06T04:00:00Z'), within('2026-07-06T20:00:00Z')]).toEqual([true, false]);
    expect(within('2026-01-04T12:00:00Z')).toBe(false);
  });

  it('over midnight belong to the day on which they began', () => {
    const night = { from: '22:00', to: '06:00', days: [5] };
    expect([within('2026-01-09T22:00:00Z', night), within('2026-01-10T04:00:00Z', night), within('2026-01-10T05:00:00Z', night)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(within('2026-01-09T03:00:00Z', night)).toBe(false);
    expect(within('2026-01-08T23:30:00Z', { from: '00:00', to: '24:00', days: [5] })).toBe(true);
  });

  it('that are absent are always in force', () => {
    expect(isWithinSchedule(null, 0)).toBe(true);
  });
});
