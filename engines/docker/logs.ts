import type { Container } from 'dockerode';
import { createRawSplitter, type RawPiece } from '../../core/lines.ts';
import type { EngineLog } from '../define-engine.ts';
import { type Frame, readFrames } from './frames.ts';

const NEWLINE = Buffer.from('\n');

/**
 * Brings a container's output into the log, each line once, however often reading starts again: the daemon keeps lines in a fixed
 * order, so reading begins at the first one and skips as many as are in the log already. Lines are cut as the log cuts them.
 */
export class ContainerLogs {
  private readonly container: Container;
  private readonly log: EngineLog;
  /** Lines of output in the log so far, those of earlier executions included. */
  private done: number;

  constructor(container: Container, log: EngineLog) {
    this.container = container;
    this.log = log;
    this.done = log.lines_before;
  }

  /** Copies what is there and what comes until the container ends, the connection breaks (an error), or the signal is aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    const stream = await this.container.logs({ follow: true, stdout: true, stderr: true, abortSignal: signal });
    await this.copy(stream as unknown as AsyncIterable<Buffer>, false);
  }

  /** After the end: what following may have missed, and the last line when it has no newline. */
  async complete(signal: AbortSignal): Promise<void> {
    const stream = await this.container.logs({ follow: true, stdout: true, stderr: true, abortSignal: signal });
    await this.copy(stream as unknown as AsyncIterable<Buffer>, true);
  }

  private async copy(chunks: AsyncIterable<Buffer>, toEnd: boolean): Promise<void> {
    const splitters = { stdout: createRawSplitter(), stderr: createRawSplitter() };
    let seen = 0;
    const put = async (stream: Frame['stream'], pieces: readonly RawPiece[]): Promise<void> => {
      for (const piece of pieces) if (++seen > this.done) await this.write(stream, piece);
    };
    for await (const { stream, payload } of readFrames(chunks)) await put(stream, splitters[stream].push(payload));
    if (!toEnd) return;
    await put('stdout', splitters.stdout.flush());
    await put('stderr', splitters.stderr.flush());
  }

  private async write(stream: Frame['stream'], { bytes, continues }: RawPiece): Promise<void> {
    await this.log.write(stream, continues ? bytes : Buffer.concat([bytes, NEWLINE]));
    this.done++;
  }
}
