import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const FeedSchema = defineEntity({
  name: 'Feed',
  tableName: 'feeds',
  properties: {
    name: p.text().primary(),
    last_seq: p.bigint('number').default(0),
    ...times,
  },
});

/**
 * The last number that was given to a row of the table of this name. Whoever numbers rows holds this row until the commit, so that numbers become visible in
 * their order and a reader who has seen one misses nothing below it.
 */
export class Feed extends FeedSchema.class {}
FeedSchema.setClass(Feed);
