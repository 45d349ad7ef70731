import fc from 'fast-check';
import { cutoffsOf, latestDaily, type RetentionPolicy } from '../../core/retention.ts';

const DAY_MS = 86_400_000;
const now = new Date('2026-03-29T12:00:00.000Z');
const days = (cutoff: Date | null): number | null => (cutoff ? (now.getTime() - cutoff.getTime()) / DAY_MS : null);

const POLICY: RetentionPolicy = {
  idempotency_hours: 24,
  log_days: 30,
  instance_days: 30,
  task_days: 30,
  audit_days: 365,
  notice_days: 365,
  flames_log_days: 30,
};

describe('how long rows are kept', () => {
  const kept = (policy: Partial<RetentionPolicy>) => {
    const cutoffs = cutoffsOf({ ...POLICY, ...policy }, now);
    return [cutoffs.instance_logs, cutoffs.instances, cutoffs.tasks, cutoffs.audit_log].map(days);
  };

  it.each([
    ['what is set', {}, [30, 30, 30, 365]],
    ['log lines that go first', { log_days: 7 }, [7, 30, 30, 365]],
    ['an instance as long as its log lines', { log_days: 60 }, [60, 60, 60, 365]],
    ['a task as long as its instances', { instance_days: 90 }, [30, 90, 90, 365]],
    ['everything above log lines that are kept for ever', { log_days: 0 }, [null, null, null, 365]],
    ['tasks alone for ever', { task_days: 0 }, [30, 30, null, 365]],
    ['the operation log for ever', { audit_days: 0, notice_days: 0 }, [30, 30, 30, null]],
  ])('is %s', (_, policy, expected) => {
    expect(kept(policy)).toEqual(expected);
  });

  it('counts hours for idempotency keys', () => {
    expect(cutoffsOf({ ...POLICY, idempotency_hours: 1.5 }, now).idempotency_keys).toEqual(new Date('2026-03-29T10:30:00.000Z'));
  });
});

describe('the latest daily time', () => {
  it.each([
    ['03:30', '2026-03-29T12:00:00.000Z', '2026-03-29T03:30:00.000Z'],
    ['03:30', '2026-03-29T03:30:00.000Z', '2026-03-29T03:30:00.000Z'],
    ['03:30', '2026-03-29T03:29:59.999Z', '2026-03-28T03:30:00.000Z'],
    ['00:00', '2026-01-01T00:00:00.001Z', '2026-01-01T00:00:00.000Z'],
    ['23:59', '2026-01-01T00:00:00.000Z', '2025-12-31T23:59:00.000Z'],
  ])('of %s at %s is %s', (time, at, expected) => {
    expect(latestDaily(time, new Date(at)).toISOString()).toBe(expected);
  });

  it('lies within the day before, and never ahead', () => {
    const time = fc.tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }));
    fc.assert(
      fc.property(time, fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }), ([hours, minutes], at) => {
        const text = `${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`;
        const ago = at.getTime() - latestDaily(text, at).getTime();
        expect(ago).toBeGreaterThanOrEqual(0);
        expect(ago).toBeLessThan(DAY_MS);
      }),
    );
  });
});
