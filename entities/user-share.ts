import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Queue } from './queue.ts';
import { User } from './user.ts';

const UserShareSchema = defineEntity({
  name: 'UserShare',
  tableName: 'user_shares',
  properties: {
    queue: () => p.manyToOne(Queue).primary().ref().deleteRule('cascade'),
    user: () => p.manyToOne(User).fieldName('user_id').primary().ref().deleteRule('cascade'),
    usage: p.double().default(0),
    as_of: p.datetime(3).defaultRaw('now()'),
    ...times,
  },
  indexes: [{ name: 'idx_user_shares_as_of', properties: ['as_of'] }],
});

/** What a user has used of the pool of a fair queue, as it was at `as_of`: seconds of the whole pool, halved each hour since; see `core/fair-share.ts`. */
export class UserShare extends UserShareSchema.class {}
UserShareSchema.setClass(UserShare);
