import { readFileSync } from 'node:fs';
import { describeConfig } from '../../config/env.ts';
import { CONFIGURATION_PAGE, configurationPage } from '../../scripts/docs.ts';

test('docs/configuration.md says what config/env.ts says: run "npm run docs" when this fails', () => {
  expect(readFileSync(CONFIGURATION_PAGE, 'utf8')).toBe(configurationPage());
});

test('every setting has a meaning', () => {
  const silent = describeConfig().filter(({ meaning }) => meaning === '');
  expect(silent.map(({ name }) => name)).toEqual([]);
});
