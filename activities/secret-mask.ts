const SHORTEST = 4;

/**
 * Replaces the values of the secrets that a run has asked for by `***`, line by line, wherever its output or outcome shows them.
 * Values shorter than four characters are left alone: masking them would tear ordinary text.
 */
export class SecretMask {
  private values: string[] = [];

  add(value: string): void {
    const parts = [value, ...value.split(/\r?\n/)].filter((part) => part.length >= SHORTEST && !this.values.includes(part));
    this.values = [...this.values, ...parts].sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    return this.values.reduce((masked, value) => masked.replaceAll(value, '***'), text);
  }

  /** Any JSON value, with its strings masked. */
  json<T>(value: T): T {
    if (this.values.length === 0) return value;
    return JSON.parse(JSON.stringify(value), (_key, part) => (typeof part === 'string' ? this.text(part) : part)) as T;
  }
}
