import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { FlamesScoreSet } from './flames-score-set.ts';
import { TaskFlamesLog } from './task-flames-log.ts';

const FlamesScoreSchema = defineEntity({
  name: 'FlamesScore',
  tableName: 'flames_score',
  properties: {
    score_set: () => p.manyToOne(FlamesScoreSet).primary().fieldName('score_set_id').ref().deleteRule('cascade').updateRule('no action'),
    log: () =>
      p
        .manyToOne(TaskFlamesLog)
        .primary()
        .fieldName('log_id')
        .ref()
        .deleteRule('cascade')
        .updateRule('no action')
        .index('idx_flames_score_log'),
    predicted: p.integer().nullable(),
    status: p.enum(['ok', 'unparsed', 'refused', 'error'] as const),
    error: p.text().nullable(),
    judgement: p.text().nullable(),
    runid: p.uuid().nullable(),
    ...times,
  },
  checks: [
    {
      name: 'flames_score_predicted_check',
      expression: `(status = 'ok') = (predicted is not null) and (predicted is null or predicted in (1, 2, 3))`,
    },
  ],
});

/** The score of one stored response in a score set. */
export class FlamesScore extends FlamesScoreSchema.class {}
FlamesScoreSchema.setClass(FlamesScore);
