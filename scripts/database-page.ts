import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EntityMetadata, EntityProperty } from '@mikro-orm/core';
import { createOrm } from '../entities/orm.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Where the page about the database is kept. */
export const DATABASE_PAGE = path.join(root, 'docs', 'database.md');

/** Tables of the document on video generation, in its order. */
const VIDEO_TABLES = ['users', 'tasks', 'scripts', 'videos', 'statistics', 'video_files', 'video_events', 'quota_ledger'];

const INTRODUCTION = `# Database

Made by \`npm run docs\` from the entities, which a test compares with the migrated schema: change it there.

- **Keys.** What users name has its name as key (templates, queues, pools), tasks and instances a UUIDv7, other rows a counter. Every relation is a foreign key; what
  belongs to a task goes with it (\`on delete cascade\`) or lets it go (\`set null\`).
- **Times.** \`timestamptz(3)\`, UTC on every wire. Each table has \`created_at\` and \`updated_at\`; a trigger keeps the second one.
- **Guards.** What must never happen is refused by the database itself: CHECK constraints on counters, unique keys against doubles, triggers on changes of state
  ([ARCHITECTURE.md](../ARCHITECTURE.md) lists them by promise). Final states, histories, ledgers and logs do not change.
- **Columns under the names of the documents.** Those of video tasks stand in \`tasks\` ([record 31](adr/0031-video-columns.md)): \`uuid\` is the document's \`task_id\`. \`prompt\`, \`error_message\` and
  \`duration\` are computed when they are read; no other row pays for them.
- **Changing it.** A new file in \`migrations/\` with \`up\` and \`down\`, and the entity in the same commit; a released migration is never edited. See [migrating.md](migrating.md).
`;

type Table = { name: string; about: string; columns: Column[] };
type Column = { name: string; type: string; nullable: boolean; key: string; refers_to: string | null };

/** The docblock of each entity's class, by table. */
function descriptions(): Map<string, string> {
  const folder = path.join(root, 'entities');
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  return new Map(
    files.flatMap((name) => {
      const text = readFileSync(path.join(folder, name), 'utf8');
      const table = /tableName: '([^']+)'/.exec(text)?.[1];
      const block = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export class/.exec(text)?.[1] ?? '';
      const about = block
        .replaceAll(/\n?\s*\*\s?/g, ' ')
        .replaceAll(/\s+/g, ' ')
        .trim();
      return table ? [[table, about] as const] : [];
    }),
  );
}

const typeOf = (property: EntityProperty): string => property.columnTypes?.[0] ?? property.type;

function keyOf(meta: EntityMetadata, property: EntityProperty): string {
  if (property.primary) return 'PK';
  const single = meta.uniques?.some(({ properties }) => [properties].flat().join() === property.name);
  return property.unique || single ? 'unique' : '';
}

const computed = (property: EntityProperty): string => (property.generated ? ', computed' : '');

function columnsOf(meta: EntityMetadata): Column[] {
  return Object.values(meta.properties)
    .filter((property) => property.fieldNames?.length === 1 && property.persist !== false)
    .map((property) => ({
      name: property.fieldNames[0] ?? property.name,
      type: typeOf(property) + computed(property),
      nullable: property.nullable ?? false,
      key: keyOf(meta, property),
      refers_to: property.targetMeta?.tableName ?? null,
    }));
}

async function tables(): Promise<Table[]> {
  const orm = await createOrm({ url: 'postgresql://nobody@127.0.0.1:1/none' });
  const about = descriptions();
  const found = [...orm.getMetadata().getAll().values()].filter((meta) => meta.tableName !== undefined);
  await orm.close(true);
  return found
    .map((meta) => ({ name: meta.tableName, about: about.get(meta.tableName) ?? '', columns: columnsOf(meta) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

const word = (text: string): string => text.replaceAll(/\W+/g, '_').replaceAll(/^_|_$/g, '');
const mark = ({ key, refers_to }: Column): string =>
  [key === 'PK' && 'PK', refers_to && 'FK', key === 'unique' && 'UK'].filter(Boolean).join(', ');

/** Tables with all their columns, or only with their keys, and how they refer to each other. */
function diagram(list: readonly Table[], { keys_only }: { keys_only: boolean }): string {
  const names = new Set(list.map(({ name }) => name));
  const boxes = list.flatMap(({ name, columns }) => [
    `  ${name} {`,
    ...columns
      .filter((column) => !keys_only || mark(column) !== '')
      .map((column) => `    ${word(column.type)} ${column.name} ${mark(column)}`.trimEnd()),
    '  }',
  ]);
  const lines = list.flatMap(({ name, columns }) =>
    columns
      .filter(({ refers_to }) => refers_to !== null && names.has(refers_to))
      .map((column) => `  ${column.refers_to} ${column.nullable ? '|o' : '||'}--o{ ${name} : ${column.name}`),
  );
  return ['```mermaid', 'erDiagram', ...boxes, ...lines, '```', ''].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function tableSection({ name, about, columns }: Table): string {
  const rows = columns.map((column) => {
    const key = [column.key, column.refers_to && `→ \`${column.refers_to}\``].filter(Boolean).join(' ');
    return `| \`${column.name}\` | ${cell(column.type)} | ${column.nullable ? 'null' : ''} | ${key} |`;
  });
  return [`### ${name}`, '', cell(about), '', '| column | type | | key |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** The text of docs/database.md: diagrams of the tables, and each table with its columns and what its entity says of it. */
export async function databasePage(): Promise<string> {
  const all = await tables();
  const videos = VIDEO_TABLES.flatMap((name) => all.filter((table) => table.name === name));
  const used = new Set([...VIDEO_TABLES, 'tasks']);
  const slim = videos.map((table) => ({ ...table, columns: table.columns.filter((c) => c.refers_to === null || used.has(c.refers_to)) }));
  return [
    INTRODUCTION,
    '## Videos',
    '',
    diagram(slim.map(shortTasks), { keys_only: false }),
    '## All tables',
    '',
    diagram(all, { keys_only: true }),
    '## Columns',
    '',
    ...all.map(tableSection),
  ].join('\n');
}

const SHOWN_OF_TASKS = [
  'uuid',
  'user_id',
  'prompt',
  'status',
  'progress',
  'total_scenes',
  'completed_scenes',
  'final_video_path',
  'error_message',
  'created_at',
  'started_at',
  'completed_at',
  'duration',
];

/** Of `tasks`, what the document on videos names. */
const shortTasks = (table: Table): Table =>
  table.name === 'tasks' ? { ...table, columns: table.columns.filter(({ name }) => SHOWN_OF_TASKS.includes(name)) } : table;
