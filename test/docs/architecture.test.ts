import path from 'node:path';
import { INSTANCE_TRANSITIONS, TASK_TRANSITIONS } from '../../core/states.ts';
import { fileExists, pages, readPage, tableRows } from './pages.ts';

const architecture = readPage('ARCHITECTURE.md');

/** Arrows of a state diagram, without those from and to the outside: `a>b`, sorted. */
function arrowsOf(name: string): string[] {
  const [, diagram = ''] = new RegExp(`state "${name}" as \\w \\{(.*?)\\n {2}\\}`, 's').exec(architecture) ?? [];
  return [...diagram.matchAll(/^ +(\w+) --> (\w+)/gm)].map(([, from, to]) => `${from}>${to}`).sort();
}

const arrowsIn = (transitions: Record<string, readonly string[]>): string[] =>
  Object.entries(transitions)
    .flatMap(([from, targets]) => targets.map((to) => `${from}>${to}`))
    .sort();

test('the diagram of task states shows every legal change and no other', () => {
  expect(arrowsOf('task')).toEqual(arrowsIn(TASK_TRANSITIONS));
});

test('the diagram of instance states shows every legal change and no other', () => {
  expect(arrowsOf('instance')).toEqual(arrowsIn(INSTANCE_TRANSITIONS));
});

type Override = { linter?: { rules?: { style?: { noRestrictedImports?: { options: { patterns: { message: string }[] } } } } } };

test('the import table is the one that the linter enforces', () => {
  const { overrides } = JSON.parse(readPage('biome.json')) as { overrides: Override[] };
  const enforced = overrides
    .flatMap((override) => override.linter?.rules?.style?.noRestrictedImports?.options.patterns ?? [])
    .flatMap(({ message }) => {
      const [, folder, list = ''] = /^(\w+)\/ may import only: ([\w, ]+)/.exec(message) ?? [];
      return folder ? [[folder, list.trim().split(', ').sort().join()]] : [];
    });
  const stated = tableRows(architecture, /^`\w+\/`$/).map(([folder = '', , list = '']) => [
    folder.replace(/[`/]/g, ''),
    list
      .replace(/ \(.*?\)/g, '')
      .split(', ')
      .sort()
      .join(),
  ]);
  expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(enforced));
});

const FOLDERS =
  'core|config|schemas|entities|artifacts|migrations|engines|commands|activities|workflows|dispatcher|worker|api|platform|cli|bench|scripts|deploy|docs|test';
const NAMED = new RegExp(`\`((?:${FOLDERS})/[\\w./-]*\\w/?)\``, 'g');

test.each(pages())('%s names only files that exist', (page) => {
  const text = readPage(page);
  const named = [...text.matchAll(NAMED)].map(([, file = '']) => file);
  const linked = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = '']) => path.join(path.dirname(page), target));
  expect([...named, ...linked].filter((file) => !fileExists(file))).toEqual([]);
});

test.each(pages())('%s names only scripts that package.json has', (page) => {
  const { scripts } = JSON.parse(readPage('package.json')) as { scripts: Record<string, string> };
  const named = [...readPage(page).matchAll(/npm run ([a-z][\w:-]*)/g)].map(([, name = '']) => name);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test('every runtime dependency is on record', () => {
  const { dependencies } = JSON.parse(readPage('package.json')) as { dependencies: Record<string, string> };
  const rows = tableRows(readPage('docs/adr/0008-dependencies.md'), /^`/).map(([names = '']) => names);
  const recorded = rows.flatMap((names) => [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
  const isRecorded = (name: string) =>
    recorded.some((known) => known === name || (known.endsWith('/*') && name.startsWith(known.slice(0, -1))));
  expect(Object.keys(dependencies).filter((name) => !isRecorded(name))).toEqual([]);
});
