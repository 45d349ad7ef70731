import { type Em, query } from '../entities/sql.ts';

/**
 * The two rules that a fresh installation has: each person without a hairnet, and many violations of any kind. Made once: an installation whose rules were
 * all removed stays without.
 */
export async function seedAlertRules(em: Em): Promise<void> {
  await query(em, RULES);
}

const RULES = `
insert into alert_rules (name, description, violation_types, min_severity, window_s, threshold, cooldown_s, channels)
select r.* from (values
  ('no-hairnet', 'Somebody without a hairnet', '{no_hairnet}'::text[], 'low', 60, 1, 300, '[{"kind": "notify"}]'::jsonb),
  ('many-violations', 'Five violations of any kind at one camera within ten minutes', '{}'::text[], 'low', 600, 5, 1800, '[{"kind": "notify"}]'::jsonb)) r
where not exists (select from alert_rules) and not (select is_called from alert_rules_id_seq)
on conflict do nothing`;
