import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeConfig } from '../config/env.ts';
import { DATABASE_PAGE, databasePage } from './database-page.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Where the page about all settings is kept. */
export const CONFIGURATION_PAGE = path.join(root, 'docs', 'configuration.md');

const INTRODUCTION = `# Configuration

Made by \`npm run docs\` from \`config/env.ts\`: change it there.

Every setting is an environment variable, read once when a process starts. An empty value counts as absent. A value that cannot be used stops the
process at once with a message that names the variable, its value and what was expected. All processes of one installation share \`DATABASE_URL\`,
\`TEMPORAL_ADDRESS\`, \`TEMPORAL_NAMESPACE\`, \`SECRETS_KEY\`, \`LOST_AFTER_S\`, \`HEARTBEAT_TIMEOUT_S\`, \`IDEMPOTENCY_HOURS\` and \`RETENTION_*\`; the others may differ from process to process.
Switches take \`on\`, \`off\`, \`true\`, \`false\`, \`1\` or \`0\`.
`;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The text of docs/configuration.md: one row per setting, with its meaning, unit and default. */
export function configurationPage(): string {
  const rows = describeConfig().map(({ name, meaning, fallback }) => {
    const value = fallback === '' ? '' : `\`${fallback}\``;
    return `| \`${name}\` | ${cell(meaning)} | ${cell(value)} |`;
  });
  return [INTRODUCTION, '| setting | meaning | default |', '|---|---|---|', ...rows, ''].join('\n');
}

if (import.meta.main) {
  writeFileSync(CONFIGURATION_PAGE, configurationPage());
  writeFileSync(DATABASE_PAGE, await databasePage());
}
