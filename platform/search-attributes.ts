import type { Connection } from '@temporalio/client';
import proto, { type temporal } from '@temporalio/proto';
import { EngineError } from '../core/errors.ts';

const { IndexedValueType } = proto.temporal.api.enums.v1;

/** By what an operator finds workflows in Temporal UI. `OrchTaskIds` holds the members of a wave. */
export const SEARCH_ATTRIBUTES: Readonly<Record<string, temporal.api.enums.v1.IndexedValueType>> = {
  OrchTaskId: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchQueue: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchPool: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchEngine: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchTemplate: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchUser: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchPriority: IndexedValueType.INDEXED_VALUE_TYPE_INT,
  OrchTaskIds: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
};

/**
 * Registers the search attributes that are missing; repeating it changes nothing. For an embedded and an external server alike.
 * @throws EngineError conflict: an attribute of that name has another type
 */
export async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const present = (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes;
  for (const [name, type] of Object.entries(SEARCH_ATTRIBUTES)) {
    const found = present[name];
    if (found !== undefined && found !== type) {
      throw new EngineError(
        'conflict',
        `search attribute "${name}" of namespace "${namespace}": has type ${IndexedValueType[found]}, expected ${IndexedValueType[type]}`,
      );
    }
  }
  const missing = Object.entries(SEARCH_ATTRIBUTES).filter(([name]) => present[name] === undefined);
  if (missing.length > 0)
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: Object.fromEntries(missing) });
}
