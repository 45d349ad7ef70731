import type { Template, TemplateDetail, TemplateVersion } from '../schemas/template.ts';
import { conditions, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

const CONTENT = `v.schema, v.parameters, v.queue, v.priority, v.timeout, ${wireNumber('v.cpu')}, v.memory_mb, v.retry_policy, v.at_most_once,
  v.quota_cost, v.concurrency, v.rate_limit, v.queue_timeout_s, v.start_timeout_s, v.total_timeout_s, v.batchable`;
const COLUMNS = `t.name, t.engine, t.description, t.current_version, t.sla_id, ${CONTENT}, ${wireTimes('t')}`;
const FROM = 'templates t join template_versions v on v.template = t.name and v.version = t.current_version';

/** One template with what its current version says; null when there is none. */
export async function findTemplate(em: Em, name: string): Promise<Template | null> {
  return (await query<Template>(em, `select ${COLUMNS} from ${FROM} where t.name = $1`, [name]))[0] ?? null;
}

/** One template with all its versions, newest first. */
export async function findTemplateDetail(em: Em, name: string): Promise<TemplateDetail | null> {
  const template = await findTemplate(em, name);
  if (!template) return null;
  const sql = `select v.version, ${CONTENT}, ${wireTime('v.created_at')} from template_versions v where v.template = $1 order by v.version desc limit 1000`;
  return { ...template, versions: await query<TemplateVersion>(em, sql, [name]) };
}

/** Templates by name. */
export async function listTemplates(em: Em, filter: { engine?: string; queue?: string }, page: PageRequest): Promise<Page<Template>> {
  const list = conditions();
  where(list, 't.engine = ?', filter.engine);
  where(list, 'v.queue = ?', filter.queue);
  const keys = [{ column: 't.name', kind: 'text' as const }];
  return await readPage(em, { columns: COLUMNS, from: FROM, conditions: list, sort: 'name', keys }, page);
}
