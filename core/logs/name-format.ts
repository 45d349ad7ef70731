import type { Header } from './header.ts';

type Rule = readonly [name: string, pattern: RegExp];

/** Names of formats by how their header looks, for people and filters; the level does not depend on them. */
const RULES: readonly Rule[] = [
  ['apache', /^\[(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} /],
  ['nginx', /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[[a-z]+\] \d+#\d+/],
  ['celery', /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+: [A-Z]+\/\w/],
  ['env_logger', /^\[\d{4}-\d\d-\d\dT[\d:.]+Z +[A-Z]+ +[\w:]+\]/],
  ['gunicorn', /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[/],
  ['windows', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, [A-Z][a-z]+ +\w/],
  ['mysql', /^\d{4}-\d\d-\d\d[T ].{8,20} \d+ \[[A-Za-z]+\]/],
  ['elasticsearch', /^\[[\dT:,.-]+\]\[[A-Z]+ *\]\[/],
  ['laravel', /^\[[^\]]+\] [\w-]+\.[A-Z]+: /],
  ['uvicorn', /^[A-Z]+: {4,}/],
  ['spring', /^\S+(?: \S+)? +[A-Z]+ \d+ --- \[/],
  ['python', /^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ - \S+ - [A-Z]+ - |[A-Z]+:[\w.]+:)/],
  ['loguru', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \| /],
  ['dotnet', /^(?:trce|dbug|info|warn|fail|crit): [\w.]+/],
  ['serilog', /^\[?[\d:. +-]+ \[?(?:VRB|DBG|INF|WRN|ERR|FTL)\]/],
  ['rabbitmq', /^\d{4}-\d\d-\d\d [\d:.+]+ \[\w+\] </],
  ['log4j', /^\[?(?:\d{2,4}[-/]\d\d[-/]\d\d[T ][\d:,.]+\]? (?:- )?|\d{6} \d{6} \d+ |[\d:,.]+ )[A-Z]+ /],
  ['log4j', /^[A-Z]+ +(?:\[|\d{4}-)/],
  ['syslog', /^(?:- )?(?:\d{10} [\d.]+ \S+ )?[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d /],
];
const ACCESS = /"[A-Z]+ |"-"| HTTP\//;

type Look = Pick<Header, 'pairs' | 'status' | 'by' | 'severity'>;

const isLogfmt = ({ pairs, by }: Look): boolean => by === 'field' || (pairs > 1 && by !== 'header');
const isAccess = (text: string, { severity, status }: Look): boolean => severity === null && status !== null && ACCESS.test(text);

/** The name of a line's format, `text` for one that no rule names. */
export function nameFormat(text: string, look: Look): string {
  if (isLogfmt(look)) return 'logfmt';
  const head = text.length > 160 ? text.slice(0, 160) : text;
  const name = RULES.find(([, pattern]) => pattern.test(head))?.[0];
  if (name) return name === 'syslog' && head.includes('haproxy[') ? 'haproxy' : name;
  return isAccess(text, look) ? 'access' : 'text';
}
