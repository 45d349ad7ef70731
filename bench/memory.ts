import { type Figure, makeFigure } from './figure.ts';
import { spreadOf } from './percentiles.ts';
import { memoryByRole, type Roles } from './process-usage.ts';

const SHOWN = ['api', 'worker', 'bare', 'temporal', 'postgres'];

/** What each part holds after all the work, PSS: pages shared by several processes are divided among them. */
export function measureMemory(roles: Roles): Figure[] {
  const memory = memoryByRole(roles);
  return SHOWN.map((role) =>
    makeFigure({ name: `memory, ${role}`, unit: 'MiB', spread: spreadOf([memory[role] ?? 0]), bar: null, refused: null, note: 'PSS' }),
  );
}
