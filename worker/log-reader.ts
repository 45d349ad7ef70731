import { LogIngest } from '../commands/ingest-log.ts';
import {
  aloneAtInstance,
  containersToRead,
  type InstanceReading,
  instancesLeftOut,
  instancesToRead,
  type LogScope,
} from '../commands/log-work.ts';
import { endLogSource, openLogSource } from '../commands/open-log-source.ts';
import { readInstanceLines } from '../commands/read-instance-lines.ts';
import { RecurringWork } from '../dispatcher/recurring-work.ts';
import { type FollowerDeps, LogFollower } from './log-follower.ts';

/** `segment_days`: for how long segments are kept; 0: for ever. */
type ReaderOptions = FollowerDeps & { worker: string; scope: LogScope; segment_days: number };

const LOOK_MS = 1_000;
const LOOK_BACK_MS = 60_000;
const DAY_MS = 86_400_000;
/** Logs that one worker reads at a time. */
const MOST = 200;

/** Reads what is to be read on this worker: logs of its daemon's containers, while it is the one to do so, and the output of its docker instances. */
export class LogReader extends RecurringWork {
  private readonly options: ReaderOptions;
  private readonly followers = new Map<number, LogFollower>();
  private readonly instances = new Map<string, LogIngest>();
  private docker_id: string | null = null;
  private looked_back_at = -Infinity;

  constructor(options: ReaderOptions) {
    super({ every_ms: LOOK_MS, failure: 'logs to read could not be looked for', logger: options.logger });
    this.options = options;
  }

  /** Reads the containers of this daemon from now on; null: another worker does. */
  async serve(docker_id: string | null): Promise<void> {
    this.docker_id = docker_id;
    if (docker_id !== null) return;
    await Promise.all([...this.followers.values()].map((follower) => follower.stop()));
  }

  override async stop(): Promise<void> {
    await super.stop();
    await this.serve(null);
  }

  protected async work(): Promise<void> {
    if (this.docker_id !== null) await this.followContainers(this.docker_id);
    if (this.options.scope !== 'off') await this.readInstances();
  }

  private async followContainers(docker_id: string): Promise<void> {
    for (const source of await containersToRead(this.options.fork(), docker_id)) {
      if (this.stopping.aborted || this.followers.has(source.id) || this.followers.size >= MOST) continue;
      const follower = new LogFollower(this.options, source);
      this.followers.set(source.id, follower);
      void follower.closed.finally(() => this.followers.delete(source.id));
    }
  }

  private async readInstances(): Promise<void> {
    const readings = [...(await instancesToRead(this.options.fork(), this.options.worker)), ...(await this.leftOut())];
    const wanted = new Set(readings.map(({ runid }) => runid));
    for (const runid of this.instances.keys()) if (!wanted.has(runid)) this.instances.delete(runid);
    for (const reading of readings) {
      if (!reading.ended) await this.readInstance(reading);
      else await aloneAtInstance(this.options.fork(), reading.runid, () => this.readInstance(reading));
    }
  }

  /** Not so far back that segments would be gone already: a source that retention has removed is not read again. */
  private async leftOut(): Promise<InstanceReading[]> {
    if (performance.now() - this.looked_back_at < LOOK_BACK_MS) return [];
    const { segment_days, fork } = this.options;
    const found = await instancesLeftOut(fork(), new Date(segment_days === 0 ? 0 : Date.now() - 0.9 * segment_days * DAY_MS));
    if (found.length === 0) this.looked_back_at = performance.now();
    return found;
  }

  /** Takes what has come; entries that may still grow wait until the next look finds nothing added to them. */
  private async readInstance({ runid, spec, ended }: InstanceReading): Promise<void> {
    const { fork } = this.options;
    const ingest = this.instances.get(runid) ?? (await LogIngest.open(fork, await openLogSource(fork(), spec)));
    this.instances.set(runid, ingest);
    const before = ingest.line;
    for await (const lines of readInstanceLines(fork, runid, before)) {
      for (const line of lines) ingest.take(line);
      if (ingest.full) await ingest.save();
    }
    if (ended || ingest.line === before) ingest.settle();
    if (ingest.dirty) await ingest.save();
    if (!ended) return;
    await endLogSource(fork(), ingest.source_id, null);
    this.instances.delete(runid);
  }
}
