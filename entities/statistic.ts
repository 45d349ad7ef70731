import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const StatisticSchema = defineEntity({
  name: 'Statistic',
  tableName: 'statistics',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    date: p.date().unique('statistics_date_key'),
    total_tasks: p.integer().default(0),
    completed_tasks: p.integer().default(0),
    failed_tasks: p.integer().default(0),
    cancelled_tasks: p.integer().default(0),
    total_videos: p.integer().default(0),
    total_duration: p.double().default(0),
    avg_generation_time: p.double().default(0),
    settled: p.boolean().default(false),
    sealed: p.boolean().default(false),
    ...times,
  },
});

/**
 * The video tasks that were submitted on one UTC day and what became of them: always what a recount of the rows gives. `total_videos`: rendered
 * scenes, `total_duration` their seconds; `avg_generation_time`: seconds from start to end, of the completed ones. `settled`: counted when the day
 * was over and all its tasks were final. `sealed`: the retention may have removed tasks of that day, so it is never counted again.
 */
export class Statistic extends StatisticSchema.class {}
StatisticSchema.setClass(Statistic);
