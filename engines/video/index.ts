import type { Agent } from 'undici';
import { EngineError, type FieldProblem } from '../../core/errors.ts';
import { parseOutboundAllow } from '../../core/outbound.ts';
import { defineEngine, type Submitter } from '../define-engine.ts';
import { toolFinder } from '../ffmpeg/find-tools.ts';
import { sweepWorkplaces } from '../ffmpeg/workplace.ts';
import { createOutboundAgent } from '../outbound-guard.ts';
import { FontFinder } from './fonts.ts';
import { VideoParameters, VideoResult } from './parameters.ts';
import { storageMessage, storageOf } from './rows.ts';
import { runVideo } from './run.ts';
import type { VideoConfig, VideoHost } from './studio.ts';

/** What ffmpeg must have been built with. */
const NEEDS = {
  encoders: ['libx264', 'aac', 'mjpeg'],
  filters: ['drawtext', 'zoompan', 'eq', 'colorbalance', 'vignette', 'geq', 'apad', 'atempo'],
};

const NO_FONT = 'no font with outlines was found: install one, such as fonts-dejavu-core, or name one by VIDEO_FONT';

async function availability({ tools, fonts }: VideoHost): Promise<{ ok: true } | { ok: false; reason: string }> {
  const [found, anyFont] = await Promise.all([tools(), fonts.any()]);
  if ('missing' in found) return { ok: false, reason: found.missing };
  return anyFont ? { ok: true } : { ok: false, reason: NO_FONT };
}

/** @throws EngineError quota_exceeded: the user stores as much as they may */
async function checkSubmission(config: VideoConfig, { scenes }: VideoParameters, { em, actor }: Submitter): Promise<FieldProblem[]> {
  const storage = await storageOf(em, actor.id, config.VIDEO_STORAGE_MB);
  if (storage.used >= storage.limit) throw new EngineError('quota_exceeded', storageMessage(storage));
  if (config.VIDEO_PICTURES_DIR !== undefined) return [];
  return (scenes ?? []).flatMap(({ picture }, i) =>
    picture === null
      ? []
      : [{ pointer: `/parameters/scenes/${i}/picture`, detail: 'pictures are not configured here (VIDEO_PICTURES_DIR): leave it out' }],
  );
}

/**
 * Makes videos of prompts and scripts with ffmpeg. Its checkpoint is in the rows of `scripts` and `videos`.
 * @param worker id of the worker, by which its own leftovers are told from those of others
 */
export function createVideoEngine(config: VideoConfig, worker: string) {
  let agent: Agent | null = null;
  const host: VideoHost = {
    config,
    worker,
    fonts: new FontFinder(config.VIDEO_FONT),
    agent: () => {
      agent ??= createOutboundAgent(parseOutboundAllow(config.OUTBOUND_ALLOW));
      return agent;
    },
    tools: toolFinder(config, NEEDS),
  };
  return defineEngine({
    kind: 'video',
    summary: 'Makes a video of a prompt or a script: scenes with text, voice and pictures',
    parameters: VideoParameters,
    result: VideoResult,
    on_worker_lost: 'resume',
    batchable: false,
    right: null,
    defaults: { cpu: 1, memory_mb: 768, quota_cost: 1 },
    available: () => availability(host),
    check: (parameters, submitter) => checkSubmission(config, parameters, submitter),
    run: (parameters, context) => runVideo(host, parameters, context),
    sweep: async (live, logger) => {
      const processes = await sweepWorkplaces(worker, live);
      if (processes > 0) logger.warn({ processes }, 'killed left-over processes of videos');
    },
  });
}
