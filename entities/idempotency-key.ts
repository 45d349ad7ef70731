import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { User } from './user.ts';

const IdempotencyKeySchema = defineEntity({
  name: 'IdempotencyKey',
  tableName: 'idempotency_keys',
  properties: {
    user: () => p.manyToOne(User).fieldName('user_id').primary().ref(),
    key: p.text().primary(),
    request_hash: p.string().length(64),
    response: p.json<unknown>().columnType('json'),
    ...times,
  },
  indexes: [{ name: 'idx_idempotency_keys_created', properties: ['created_at'] }],
});

/** The first answer to a request with an `Idempotency-Key`, given again to its repetitions. `request_hash`: SHA-256 of route and body. */
export class IdempotencyKey extends IdempotencyKeySchema.class {}
IdempotencyKeySchema.setClass(IdempotencyKey);
