import { readFileSync } from 'node:fs';

/** What no workflow may do; the bundle test expects it to be refused. */
export async function forbiddenTask(): Promise<string> {
  return readFileSync('/etc/hostname', 'utf8');
}
