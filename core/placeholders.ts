const NAMED = /\{\{\s*(\w+)\s*\}\}/g;

/** Parameters with the placeholders in their texts filled, at any depth; keys, unknown names and other braces stay as they are. */
export function fillPlaceholders<T>(value: T, values: Readonly<Record<string, string>>): T {
  if (typeof value === 'string')
    return value.replaceAll(NAMED, (text, name: string) => (Object.hasOwn(values, name) ? (values[name] as string) : text)) as T;
  if (Array.isArray(value)) return value.map((item) => fillPlaceholders(item, values)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillPlaceholders(item, values)])) as T;
}

/** Milliseconds, 0 up to `jitter_s` seconds, that a schedule fires after its nominal time: always the same for one schedule. */
export function jitterOf(id: string, jitter_s: number): number {
  if (jitter_s <= 0) return 0;
  let hash = 0x811c9dc5;
  for (const char of id) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d) >>> 0;
  return ((hash ^ (hash >>> 15)) >>> 0) % (jitter_s * 1000);
}
