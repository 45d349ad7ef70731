import { readFileSync } from 'node:fs';
import { entities } from '../../entities/index.ts';
import { DATABASE_PAGE, databasePage } from '../../scripts/database-page.ts';

const page = readFileSync(DATABASE_PAGE, 'utf8');

test('docs/database.md says what the entities say: run "npm run docs" when this fails', async () => {
  expect(page).toBe(await databasePage());
});

test('every table has a section that says what it is for, and stands in the diagram', () => {
  const sections = [...page.matchAll(/^### (\w+)\n\n(.*)$/gm)].map(([, name, about]) => ({ name, about }));
  expect(sections).toHaveLength(entities.length);
  expect(sections.filter(({ about }) => (about ?? '').length < 20)).toEqual([]);
  const diagrams = page.slice(0, page.indexOf('## Columns'));
  expect(sections.filter(({ name }) => !diagrams.includes(`  ${name} {`))).toEqual([]);
});
