import { defineEntity, p } from '@mikro-orm/core';
import type { Gate } from '../core/admission-state.ts';
import { times } from './columns.ts';
import { Task } from './task.ts';

const AdmissionDecisionSchema = defineEntity({
  name: 'AdmissionDecision',
  tableName: 'admission_decisions',
  properties: {
    task: () => p.oneToOne(Task).primary().owner().fieldName('task_id').ref().deleteRule('cascade').updateRule('no action'),
    gates: p.json<Gate[]>(),
    decided_at: p.datetime(3).defaultRaw('now()'),
    ...times,
  },
});

/** Why a task did not start when an admission last looked at it as the head of its queue and need; written at most once a second. */
export class AdmissionDecision extends AdmissionDecisionSchema.class {}
AdmissionDecisionSchema.setClass(AdmissionDecision);
