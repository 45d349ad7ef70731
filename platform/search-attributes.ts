import { Connection } from '@temporalio/client';
import proto, { type temporal } from '@temporalio/proto';
import type { Config } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';

type TemporalSettings = Pick<Config, 'TEMPORAL_ADDRESS' | 'TEMPORAL_NAMESPACE' | 'TEMPORAL_API_KEY' | 'TEMPORAL_TLS'>;

const { IndexedValueType } = proto.temporal.api.enums.v1;

/** By what an operator finds workflows in Temporal UI. `OrchTaskIds` holds the members of a wave, `OrchSlaBreach` the SLAs that a task broke. */
export const SEARCH_ATTRIBUTES: Readonly<Record<string, temporal.api.enums.v1.IndexedValueType>> = {
  OrchTaskId: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchQueue: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchPool: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchEngine: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchTemplate: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchUser: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  OrchPriority: IndexedValueType.INDEXED_VALUE_TYPE_INT,
  OrchTaskIds: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
  OrchSlaBreach: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
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

/**
 * Registers the search attributes with an external Temporal.
 * @throws EngineError unavailable: no answer, or no right to do so; says how to do it by hand
 */
export async function ensureExternalTemporal(config: TemporalSettings): Promise<void> {
  const address = config.TEMPORAL_ADDRESS;
  let connection: Connection | undefined;
  try {
    const tls = config.TEMPORAL_TLS || config.TEMPORAL_API_KEY !== undefined;
    connection = await Connection.connect({ address, tls, apiKey: config.TEMPORAL_API_KEY, connectTimeout: 5000 });
    await ensureSearchAttributes(connection, config.TEMPORAL_NAMESPACE);
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    const list = Object.keys(SEARCH_ATTRIBUTES).join(', ');
    throw new EngineError(
      'unavailable',
      `Temporal at ${address}, namespace "${config.TEMPORAL_NAMESPACE}": cannot ensure its search attributes; expected an answer at TEMPORAL_ADDRESS, and ${list}, which "temporal operator search-attribute create" makes too`,
      { cause },
    );
  } finally {
    await connection?.close();
  }
}
