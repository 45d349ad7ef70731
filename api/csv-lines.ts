import { stringify } from 'csv-stringify/sync';

/** Tells Excel that the file is UTF-8. */
const BYTE_ORDER_MARK = '\uFEFF';

type Cell = string | number | boolean | Date | null | undefined | object;

const shown = (value: Cell): string | number | boolean | null | undefined => {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
};

/**
 * Rows as CSV (RFC 4180), a batch of rows at a time, with a header line. Texts that a spreadsheet would take for a formula get a leading apostrophe.
 * @param columns names of the fields and of the header, in order
 */
export async function* csvLines(columns: readonly string[], batches: AsyncIterable<readonly object[]>): AsyncGenerator<string> {
  yield BYTE_ORDER_MARK + toCsv([columns]);
  for await (const rows of batches) {
    if (rows.length > 0) yield toCsv(rows.map((row) => columns.map((column) => shown((row as Record<string, Cell>)[column]))));
  }
}

const toCsv = (rows: readonly (readonly unknown[])[]): string =>
  stringify(rows as unknown[][], { record_delimiter: 'windows', quoted_match: /[\r\n]/, escape_formulas: true, cast: { boolean: String } });
