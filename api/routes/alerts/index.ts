import type { Route } from '../../define-route.ts';
import { acknowledgeAlertRoute } from './acknowledge-alert.ts';
import { acknowledgeAlertsRoute } from './acknowledge-alerts.ts';
import { changeAlertRuleRoute } from './change-rule.ts';
import { createAlertRuleRoute } from './create-rule.ts';
import { deleteAlertRuleRoute } from './delete-rule.ts';
import { getAlertRoute } from './get-alert.ts';
import { getAlertRuleRoute } from './get-rule.ts';
import { listAlertsRoute } from './list-alerts.ts';
import { listAlertRulesRoute } from './list-rules.ts';

/** Rules about violations, and what they led to. */
export const alertRoutes: readonly Route[] = [
  listAlertRulesRoute,
  createAlertRuleRoute,
  getAlertRuleRoute,
  changeAlertRuleRoute,
  deleteAlertRuleRoute,
  listAlertsRoute,
  acknowledgeAlertsRoute,
  getAlertRoute,
  acknowledgeAlertRoute,
];
