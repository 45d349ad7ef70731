import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { typeOfSeverity } from '../../../core/logs/levels.ts';
import { parseLine } from '../../../core/logs/parse-line.ts';
import { Segmenter } from '../../../core/logs/segmenter.ts';
import { TemplateMiner } from '../../../core/logs/template-miner.ts';

const folder = path.join(process.env.TEST_DATA_DIR ?? '../shared/data', 'logs');
const describeWithLogs = existsSync(folder) ? describe : describe.skip;
const linesOf = (name: string): string[] =>
  readFileSync(path.join(folder, name), 'utf8')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
const typeOf = (line: string): string => typeOfSeverity(parseLine(line, { clock: { reference: null }, stream: null }).severity);
const MISLEADING = ' - ERROR: failed, FATAL exception';

describeWithLogs('real logs of five systems that state a level', () => {
  test.each(['Apache', 'HDFS', 'Hadoop', 'OpenStack', 'Android'])('%s: 2,000 lines', (system) => {
    const lines = linesOf(`${system}_2k.log`);
    const types = linesOf(`${system}_levels.tsv`)
      .slice(1)
      .map((row) => row.split('\t')[2] as string);
    const right = (suffix: string): number =>
      types.filter((type, i) => typeOf((lines[i] as string) + suffix) === type).length / types.length;
    expect(types).toHaveLength(2_000);
    expect(right('')).toBeGreaterThanOrEqual(0.995);
    expect(right(MISLEADING)).toBeGreaterThanOrEqual(0.99);
  });

  test('lines whose words mislead', () => {
    const rows = linesOf('severity_hard.tsv').map((row) => [row.slice(0, row.indexOf('\t')), row.slice(row.indexOf('\t') + 1)]);
    expect(rows.map(([, line]) => typeOf(line as string))).toEqual(rows.map(([type]) => type));
  });

  test.each(['Linux', 'OpenSSH', 'Mac'])('%s states none: words decide, and not everything is an error', (system) => {
    const types = linesOf(`${system}_2k.log`).map(typeOf);
    const errors = types.filter((type) => type === 'error').length;
    expect(types).toHaveLength(2_000);
    expect(errors).toBeLessThan(500);
  });

  test('HDFS has 14 kinds of messages, Apache 6', () => {
    const kinds = (system: string): number => {
      const miner = new TemplateMiner();
      const segmenter = new Segmenter({ miner });
      linesOf(`${system}_2k.log`).forEach((text, i) => void segmenter.push({ number: i + 1, text, stream: null, time: null, name: null }));
      segmenter.flush();
      return miner.size;
    };
    expect(kinds('HDFS')).toBe(14);
    expect(kinds('Apache')).toBe(6);
  });
});
