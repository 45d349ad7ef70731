import type { Page, PageRequest } from '../../entities/page.ts';
import { csvLines } from '../csv-lines.ts';
import type { Download } from '../define-route.ts';

const ROWS = 1_000;

export type CsvSource<T> = {
  name: string;
  columns: readonly (keyof T & string)[];
  signal: AbortSignal;
  read(page: PageRequest): Promise<Page<T>>;
};

async function* pages<T>({ signal, read }: CsvSource<T>): AsyncGenerator<T[]> {
  let cursor: string | null = null;
  do {
    const page: Page<T> = await read({ limit: ROWS, cursor });
    yield page.items;
    cursor = page.next_cursor;
  } while (cursor !== null && !signal.aborted);
}

/** All rows of a list as a CSV file, a page at a time, so that its length costs no memory. */
export const csvOf = <T extends object>(source: CsvSource<T>): Download => ({
  download: true,
  content_type: 'text/csv; charset=utf-8',
  filename: `${source.name}.csv`,
  size: null,
  open: () => csvLines(source.columns, pages(source)),
});
