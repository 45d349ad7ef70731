import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import copyStreams from 'pg-copy-streams';
import { ingestLines } from '../commands/ingest-log.ts';
import { openLogSource } from '../commands/open-log-source.ts';
import { typeOfSeverity } from '../core/logs/levels.ts';
import { parseLine } from '../core/logs/parse-line.ts';
import type { NumberedLine } from '../core/logs/segment.ts';
import { Segmenter } from '../core/logs/segmenter.ts';
import { TemplateMiner } from '../core/logs/template-miner.ts';
import { createOrm } from '../entities/orm.ts';
import { type Em, query } from '../entities/sql.ts';
import { createBenchServers } from './logs-database.ts';

const folder = path.join(process.env.TEST_DATA_DIR ?? '../shared/data', 'logs');
const LABELLED = ['Apache', 'HDFS', 'Hadoop', 'OpenStack', 'Android'];
const OTHERS = ['Linux', 'OpenSSH', 'Mac'];
const MISLEADING = ' - ERROR: failed, FATAL exception';

const linesOf = (name: string): string[] =>
  readFileSync(path.join(folder, name), 'utf8')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** What a search for words would say: the rule that log viewers fall back to. */
function keywordRule(line: string): string {
  if (/\b(error|fatal|fail(ed|ure)?|exception|critical|panic)\b/i.test(line)) return 'error';
  if (/\bwarn(ing)?\b/i.test(line)) return 'warning';
  return /\b(debug|trace)\b/i.test(line) ? 'debug' : 'info';
}

const ours = (line: string): string => typeOfSeverity(parseLine(line, { clock: { reference: null }, stream: null }).severity);
const share = (lines: readonly string[], types: readonly string[], rule: (line: string) => string): string =>
  (lines.filter((line, i) => rule(line) === types[i]).length / types.length).toFixed(4);

function accuracy(): void {
  say('| system | lines | parser | keyword rule | parser, misleading end | keyword rule, misleading end |\n|---|---|---|---|---|---|');
  for (const system of LABELLED) {
    const types = linesOf(`${system}_levels.tsv`)
      .slice(1)
      .map((row) => row.split('\t')[2] as string);
    const lines = linesOf(`${system}_2k.log`).slice(0, types.length);
    const misled = lines.map((line) => line + MISLEADING);
    const cells = [
      share(lines, types, ours),
      share(lines, types, keywordRule),
      share(misled, types, ours),
      share(misled, types, keywordRule),
    ];
    say(`| ${system} | ${types.length} | ${cells.join(' | ')} |`);
  }
  const hard = linesOf('severity_hard.tsv').map((row) => [row.slice(0, row.indexOf('\t')), row.slice(row.indexOf('\t') + 1)] as const);
  const [lines, types] = [hard.map(([, line]) => line), hard.map(([type]) => type)];
  say(`| hard lines | ${hard.length} | ${share(lines, types, ours)} | ${share(lines, types, keywordRule)} | | |`);
}

const numbered = (text: string, i: number): NumberedLine => ({ number: i + 1, text, stream: null, time: null, name: null });

/** All stages: clean-up, format, severity, grouping, component, template. The best of five rounds. */
function speed(lines: readonly string[]): number {
  let best = 0;
  for (let round = 0; round < 5; round++) {
    const segmenter = new Segmenter({ reference: 0, miner: new TemplateMiner() });
    const began = performance.now();
    lines.forEach((text, i) => void segmenter.push(numbered(text, i)));
    segmenter.flush();
    best = Math.max(best, lines.length / ((performance.now() - began) / 1000));
  }
  return Math.round(best);
}

async function* batches(lines: readonly string[]): AsyncGenerator<NumberedLine[]> {
  for (let at = 0; at < lines.length; at += 1_000) yield lines.slice(at, at + 1_000).map((text, i) => numbered(text, at + i));
}

const COLUMNS = `source_id, container_id, container_name, segment_type, severity_level, severity_number, content, component, timestamp, logged_at, filed_at,
  line_number, line_count, stream, format, detect_source, template_id, attributes, runid, user_id`;

/** The same rows by COPY into a table without indexes and triggers: what the disk alone would take. */
async function bareCopy(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of client.query(copyStreams.to(`copy (select ${COLUMNS} from container_log_segment) to stdout`)))
      chunks.push(chunk as Buffer);
    await client.query(`create table bare as select ${COLUMNS} from container_log_segment limit 0`);
    const began = performance.now();
    await pipeline(Readable.from(chunks), client.query(copyStreams.from(`copy bare (${COLUMNS}) from stdin`)));
    return (performance.now() - began) / 1000;
  } finally {
    await client.end();
  }
}

async function storing(lines: readonly string[]): Promise<void> {
  const servers = await createBenchServers();
  const orm = await createOrm({ url: servers.url, application_name: 'bench logs' });
  try {
    const fork = (): Em => orm.em.fork() as Em;
    const spec = { container_id: 'bench', container_name: 'bench', docker_id: null, kind: 'text' as const, runid: null, user_id: null };
    const source = await openLogSource(fork(), { ...spec, identity: 'bench', requested_by: 'bench' });
    const began = performance.now();
    const { stored } = await ingestLines(fork, source, batches(lines));
    const seconds = (performance.now() - began) / 1000;
    const copied = await bareCopy(servers.url);
    const [index] = await query<{ n: string }>(
      fork(),
      `select count(*)::text as n from pg_indexes where indexname like '%content%' or indexdef like '%gin%'`,
    );
    say(
      `parse and store: ${Math.round(stored / seconds)} segments/s (${stored} in ${seconds.toFixed(1)} s, with ${index?.n} text indexes)`,
    );
    say(`bare COPY of the same rows: ${Math.round(stored / copied)} rows/s; storing takes ${(seconds / copied).toFixed(1)} times as long`);
  } finally {
    await orm.close(true);
    await servers.stop();
  }
}

/** `npm run bench:logs`: severity by system beside a keyword rule, speed of the parser, and of parsing and storing. */
async function main(): Promise<void> {
  if (!existsSync(folder)) {
    say(`no logs in ${folder}: set TEST_DATA_DIR`);
    return;
  }
  accuracy();
  const lines = [...LABELLED, ...OTHERS].flatMap((system) => linesOf(`${system}_2k.log`));
  say(`\nparser, all stages, one thread: ${speed(lines)} lines/s (${lines.length} lines of 8 systems)`);
  await storing([...lines, ...lines.map((line) => `${line} again`)]);
}

await main();
