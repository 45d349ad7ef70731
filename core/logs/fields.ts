import type { NumberKind } from './levels.ts';

/** What a field of a structured line means. `rank`: of several fields of a kind the one with the lower rank speaks. */
export type FieldRole =
  | { is: 'level'; kind: NumberKind; rank: number }
  | { is: 'time' | 'component' | 'message' | 'status' | 'error' | 'nest'; rank: number };

const level = (rank: number, kind: NumberKind = 'any'): FieldRole => ({ is: 'level', kind, rank });
const ranked = (is: 'time' | 'component' | 'message' | 'status' | 'error' | 'nest', names: string): [string, FieldRole][] =>
  names.split(' ').map((name, rank) => [name, { is, rank }]);

/** By name without case, dots, dashes, underscores and at-signs: Docker, ECS, GELF, OpenTelemetry, journald, pino, bunyan, zap, Serilog, Monolog … */
const ROLES = new Map<string, FieldRole>([
  ['severitytext', level(0)],
  ['levelname', level(1)],
  ['level', level(2)],
  ['loglevel', level(3)],
  ['lvl', level(4)],
  ['l', level(5)],
  ['severity', level(6)],
  ['sev', level(7)],
  ['msgseverity', level(7)],
  ['severitynumber', level(8, 'otlp')],
  ['levelno', level(9, 'python')],
  ['levelvalue', level(10, 'java')],
  ['priority', level(11, 'syslog')],
  ['syslogseverity', level(12, 'syslog')],
  ['errorseverity', level(13)],
  ...ranked('time', 'timestamp time ts t datetime date eventtime asctime timegenerated timemillis instant timestampunixnano'),
  ...ranked(
    'component',
    'logger loggername loglogger component module sourcecontext category subsystem target source channel name service app c caller',
  ),
  ...ranked('message', 'msg message m mt shortmessage body log text event'),
  ...ranked('status', 'status statuscode httpstatus httpstatuscode responsestatus responsecode downstreamstatus code'),
  ...ranked('error', 'error err exception exc stacktrace excinfo x'),
  ...ranked('nest', 'record fields http response'),
]);

const MOST = 2_000;
const known = new Map<string, FieldRole | null>();

/** The role of a field by its name, null for none. Names are remembered, since a log repeats them on every line. */
export function fieldRole(name: string): FieldRole | null {
  const seen = known.get(name);
  if (seen !== undefined) return seen;
  if (name.length > 40) return null;
  const role = ROLES.get(name.toLowerCase().replace(/[._@-]/g, '')) ?? null;
  if (known.size >= MOST) known.clear();
  known.set(name, role);
  return role;
}
