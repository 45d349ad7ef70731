import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { EngineError } from '../core/errors.ts';
import { serve } from './remote.ts';

/** Where to post, as whom. */
export type Target = { url: string; key: string };
/** `records` frames, all of which become records, in posts of `size`, `at_once` at a time. */
export type Batches = Target & { records: number; size: number; at_once: number };
/** Detectors in this process: `work_ms` of computing for each picture. `posting` false: what they see goes nowhere. */
export type Cameras = Target & { run: string; cameras: number; fps: number; seconds: number; work_ms: number; posting: boolean };
/** `frames`: pictures looked at, all cameras together; `loop_ms`: mean time of one turn of a detector's loop; `repeated`: posts that had to be sent again. */
export type CamerasSeen = { frames: number; loop_ms: number; repeated: number; longest_wait_s: number };

type Frame = Record<string, unknown>;

const PERSONS = 3;

/** A street: persons walk, and one of them is without a hairnet for two seconds out of ten. */
function frameOf({ camera_id, session_id }: { camera_id: string; session_id: string }, n: number, at: number): Frame {
  const bare = Math.floor(n / 60) % 5 === 0;
  const objects = Array.from({ length: PERSONS }, (_, who) => ({
    track_id: who,
    label: 'person',
    score: 0.9,
    box: [(n * 3 + who * 200) % 1_200, 100 + who * 50, 60, 160],
    violations: bare && who === 0 ? ['no_hairnet'] : [],
  }));
  return { camera_id, session_id, frame_number: n, timestamp: new Date(at).toISOString(), objects, processing_ms: 30 };
}

class Poster {
  private readonly pool: Pool;
  private readonly path: string;
  private readonly headers: Record<string, string>;
  repeated = 0;
  longest_wait_s = 0;

  constructor({ url, key }: Target) {
    const { origin, pathname } = new URL(url);
    this.pool = new Pool(origin, { connections: 32, pipelining: 1, keepAliveTimeout: 60_000 });
    this.path = pathname;
    this.headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
  }

  /** @returns the status */
  async once(body: string, query = ''): Promise<number> {
    const answer = await this.pool.request({ method: 'POST', path: this.path + query, headers: this.headers, body });
    await answer.body.dump();
    return answer.statusCode;
  }

  /** Until it is stored. */
  async untilStored(body: string, query: string): Promise<void> {
    const since = performance.now();
    while ((await this.once(body, query).catch(() => 0)) !== 201) {
      this.repeated += 1;
      await sleep(250);
    }
    this.longest_wait_s = Math.max(this.longest_wait_s, (performance.now() - since) / 1_000);
  }

  async close(): Promise<void> {
    await this.pool.close();
  }
}

async function expectStored(poster: Poster, body: string): Promise<void> {
  const status = await poster.once(body);
  if (status !== 201) throw new EngineError('internal', `POST of detections: expected 201, got ${status}`);
}

let runs = 0;

async function batches({ records, size, at_once, ...target }: Batches): Promise<{ seconds: number }> {
  const poster = new Poster(target);
  const run = `batches-${++runs}`;
  const now = Date.now();
  const bodies = Array.from({ length: Math.ceil(records / size) }, (_, i) => {
    const camera_id = `bench-${i % at_once}`;
    const first = Math.floor(i / at_once) * size;
    return JSON.stringify(
      Array.from({ length: size }, (_, j) => frameOf({ camera_id, session_id: run }, first + j, now + (first + j) * 33)),
    );
  });
  const since = performance.now();
  await Promise.all(
    Array.from({ length: at_once }, async (_, lane) => {
      for (let i = lane; i < bodies.length; i += at_once) await expectStored(poster, bodies[i] ?? '');
    }),
  );
  const seconds = (performance.now() - since) / 1_000;
  await poster.close();
  return { seconds };
}

async function singles({ count, ...target }: Target & { count: number }): Promise<{ latencies_ms: number[] }> {
  const poster = new Poster(target);
  const run = `singles-${++runs}`;
  const latencies_ms: number[] = [];
  for (let n = 0; n < count; n++) {
    const body = JSON.stringify(frameOf({ camera_id: 'bench-single', session_id: run }, n, Date.now()));
    const since = performance.now();
    await expectStored(poster, body);
    latencies_ms.push(performance.now() - since);
  }
  await poster.close();
  return { latencies_ms };
}

/** What a detector does with a picture, as far as the processor is concerned. */
function compute(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

type Loop = { frames: number; busy_ms: number };

/** One detector: looks at each picture that comes, misses those that came while it was busy, and hands on once a second what it saw. */
async function detector(order: Cameras, camera: number, poster: Poster): Promise<Loop> {
  const { run, fps, seconds, work_ms, posting } = order;
  const camera_id = `bench-${run}-${camera}`;
  const sent: Promise<void>[] = [];
  const loop: Loop = { frames: 0, busy_ms: 0 };
  const begun = performance.now();
  let seen: Frame[] = [];
  const send = () => {
    if (seen.length > 0) sent.push(poster.untilStored(JSON.stringify(seen), '?save_interval=10'));
    seen = [];
  };
  for (let n = 0; n < fps * seconds; n++) {
    const due = begun + (n * 1_000) / fps;
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    if (performance.now() > due + 1_000 / fps) continue;
    const since = performance.now();
    compute(work_ms);
    if (posting) seen.push(frameOf({ camera_id, session_id: run }, n, Date.now()));
    if (seen.length >= fps) send();
    loop.busy_ms += performance.now() - since;
    loop.frames += 1;
  }
  send();
  await Promise.all(sent);
  return loop;
}

async function cameras(order: Cameras): Promise<CamerasSeen> {
  const poster = new Poster(order);
  const loops = await Promise.all(Array.from({ length: order.cameras }, (_, camera) => detector(order, camera, poster)));
  await poster.close();
  const frames = loops.reduce((sum, loop) => sum + loop.frames, 0);
  const loop_ms = loops.reduce((sum, { busy_ms }) => sum + busy_ms, 0) / frames;
  return { frames, loop_ms, repeated: poster.repeated, longest_wait_s: poster.longest_wait_s };
}

const methods = { batches, singles, cameras };
export type DetectorClientMethods = typeof methods;

await serve(async () => ({ methods, close: async () => undefined }));
