import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { User } from './user.ts';

const FlamesCacheSchema = defineEntity({
  name: 'FlamesCache',
  tableName: 'flames_cache',
  properties: {
    key: p.string().length(64).primary(),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    response: p.text(),
    prompt_tokens: p.integer().nullable(),
    completion_tokens: p.integer().nullable(),
    expires_at: p.datetime(3).index('idx_flames_cache_expires'),
    ...times,
  },
});

/**
 * An answer of a model or a judge, so that the same question is not paid for twice. `key`: SHA-256 over user, address, model, messages, generation settings
 * and epoch: everything that the answer depends on; each user has entries of their own.
 */
export class FlamesCache extends FlamesCacheSchema.class {}
FlamesCacheSchema.setClass(FlamesCache);
