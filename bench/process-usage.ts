import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { EngineError } from '../core/errors.ts';

/** Seconds of CPU by role (`api`, `worker`, `temporal`, `postgres`, …) since each process began. */
export type CpuByRole = Record<string, number>;

/** `tree`: this process and everything below it. `machine_s`: busy seconds of all cores together. `at_ms`: monotonic. */
export type Usage = { at_ms: number; machine_s: number; tree: CpuByRole };

/** Names the children that this process started itself; servers are recognised by their command. */
export type Roles = ReadonlyMap<number, string>;

type Stat = { pid: number; ppid: number; name: string; cpu_s: number };

let ticks: number | null = null;
function ticksPerSecond(): number {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return ticks;
}

/** Own time and that of children already reaped, so that nothing gets lost when a database connection closes. Null when it is gone. */
function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const used = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
    return { pid, ppid: Number(fields[1]), name, cpu_s: used / ticksPerSecond() };
  } catch {
    return null;
  }
}

function treeBelow(root: number): Stat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statOf(Number(name)))
    .filter((stat) => stat !== null);
  const inside = new Set([root]);
  for (let before = 0; before < inside.size; ) {
    before = inside.size;
    for (const stat of all) if (inside.has(stat.ppid)) inside.add(stat.pid);
  }
  return all.filter((stat) => inside.has(stat.pid));
}

/** The guarding shells have next to no time of their own but collect that of servers which ended, so they count with these. */
function roleOf(stat: Stat, roles: Roles): string {
  const known = roles.get(stat.pid);
  if (known) return known;
  if (stat.pid === process.pid) return 'bench';
  if (stat.name.startsWith('postgres')) return 'postgres';
  return stat.name.startsWith('temporal') ? 'temporal' : 'other';
}

/** Busy time of the whole machine; time stolen by the host and time waiting for the disk are not work of anybody here. */
function machineBusy(): number {
  const [, ...fields] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').trim().split(/\s+/).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return (user + nice + system + irq + softirq) / ticksPerSecond();
}

/** @throws EngineError unavailable: the system has no /proc (Linux only) */
export function readUsage(roles: Roles): Usage {
  if (process.platform !== 'linux')
    throw new EngineError('unavailable', `the benchmark reads /proc; expected Linux, got ${process.platform}`);
  const tree: CpuByRole = {};
  for (const stat of treeBelow(process.pid)) {
    const role = roleOf(stat, roles);
    tree[role] = (tree[role] ?? 0) + stat.cpu_s;
  }
  return { at_ms: performance.now(), machine_s: machineBusy(), tree };
}

/** Seconds that passed, CPU seconds by role, and cores that others used meanwhile. */
export type UsageBetween = { seconds: number; cpu: CpuByRole; foreign_cores: number };

export function usageBetween(before: Usage, after: Usage): UsageBetween {
  const seconds = (after.at_ms - before.at_ms) / 1000;
  const cpu = Object.fromEntries(Object.entries(after.tree).map(([role, used]) => [role, Math.max(0, used - (before.tree[role] ?? 0))]));
  const own = Object.values(cpu).reduce((sum, used) => sum + used, 0);
  return { seconds, cpu, foreign_cores: Math.max(0, after.machine_s - before.machine_s - own) / seconds };
}

/** MiB that a process holds for itself, shared pages divided by their users. Null when it is gone or not ours to see. */
function pssOf(pid: number): number | null {
  try {
    const found = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    return found ? Number(found[1]) / 1024 : null;
  } catch {
    return null;
  }
}

/** MiB (PSS) by role, PostgreSQL's processes summed. */
export function memoryByRole(roles: Roles): Record<string, number> {
  const memory: Record<string, number> = {};
  for (const stat of treeBelow(process.pid)) {
    const role = roleOf(stat, roles);
    memory[role] = (memory[role] ?? 0) + (pssOf(stat.pid) ?? 0);
  }
  return memory;
}
