import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const LogArchiveSchema = defineEntity({
  name: 'LogArchive',
  tableName: 'log_archive',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    table_name: p.text(),
    period: p.text(),
    from_at: p.datetime(3),
    until_at: p.datetime(3),
    rows: p.bigint('number'),
    bytes: p.bigint('number'),
    sha256: p.text(),
    key: p.text().unique('log_archive_key_key'),
    ...times,
  },
  indexes: [{ name: 'idx_log_archive_table', properties: ['table_name', 'from_at'] }],
});

/**
 * Rows that were written to a compressed file (NDJSON, gzip) before they were removed. `key`: of the file in the artifact store; `bytes` and `sha256` of the file as it lies
 * there. `period`: the month, for a partition.
 */
export class LogArchive extends LogArchiveSchema.class {}
LogArchiveSchema.setClass(LogArchive);
