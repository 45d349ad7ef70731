import { createHash } from 'node:crypto';
import { FrameSet } from '../../core/detection/frame-set.ts';
import type { SessionRules } from '../../core/detection/session.ts';
import { complianceOf } from '../../core/detection/statistics.ts';
import { EngineError } from '../../core/errors.ts';
import { completed, ended, type Outcome } from '../../core/outcome.ts';
import { updateHourlyStatistics } from '../../entities/camera-statistics.queries.ts';
import { allBlocks, endSession, type OpenedSession, openSession, sessionTotals } from '../../entities/detection-session.queries.ts';
import { type Em, query } from '../../entities/sql.ts';
import type { EngineContext } from '../define-engine.ts';
import type { DockerHost } from '../docker/obtain.ts';
import { DockerParameters } from '../docker/parameters.ts';
import { stoppedOutcome, stopReason } from '../stopped.ts';
import { classifierOf } from './classify.ts';
import type { DetectionWriter } from './detection-writer.ts';
import type { Emit } from './detector-line.ts';
import { readInput, resolveInput } from './input-files.ts';
import { type DetectionParameters, type DetectionResult, type Detector, type PersonDetector, runsCommands } from './parameters.ts';
import { Pictures } from './pictures.ts';
import { ownerOf, type Recorded, Recorder, ticking } from './recorder.ts';
import { replayRecording } from './replay.ts';
import { readFrames, runCommand } from './run-command.ts';
import { runContainer } from './run-container.ts';
import { type PictureHost, runPerson } from './run-person.ts';
import { checkedStream } from './stream-source.ts';

/** What the runs of one worker share. `writer` is lent for the time of a run. */
export type DetectionHost = PictureHost & {
  docker: DockerHost;
  save_interval: number;
  withWriter<T>(context: EngineContext, work: (writer: DetectionWriter) => Promise<T>): Promise<T>;
};

type Run = { host: DetectionHost; parameters: DetectionParameters; context: EngineContext };
/** The text of a track file, where there is one: it names the session. */
type Prepared = Run & { text: string | null };
type Opened = Prepared & { session: OpenedSession; session_id: string };

const USER = `select username, role = 'admin' or 'shell' = any(rights) as may_run, role <> 'user' as sees_all from users where id = $1`;

/** Who it runs for, as of now. @throws EngineError forbidden: the right to run commands was withdrawn */
async function ownerNow({ parameters, context }: Run): Promise<{ username: string; sees_all: boolean }> {
  const [user] = await query<{ username: string; may_run: boolean; sees_all: boolean }>(context.em(), USER, [context.instance.user_id]);
  if (!user) throw new EngineError('forbidden', 'the user of this task is gone');
  if (!user.may_run && runsCommands(parameters))
    throw new EngineError('forbidden', `user "${user.username}" no longer has the right "shell"`);
  return user;
}

/**
 * The name of the session. What is replayed has one of its own for its content and the way it is judged, so replaying it again adds nothing; files given to
 * programs have one for the task, so a resumed or repeated task goes on; what is live has a new one each time, as its frames are numbered anew.
 */
function sessionName({ parameters, context, text }: Prepared): string {
  if (parameters.session_id !== undefined) return parameters.session_id;
  const { source, detector, classifier, save_interval, rules, camera_id } = parameters;
  if (text !== null) {
    const what = JSON.stringify([camera_id, detector, classifier, save_interval ?? null, rules]);
    return `replay-${createHash('sha256').update(what).update(text).digest('hex').slice(0, 32)}`;
  }
  const { task_id, runid, execution } = context.instance;
  if (source?.kind === 'file' || source?.kind === 'directory') return task_id;
  return detector.kind === 'docker' ? runid : `${runid}.${execution}`;
}

const rulesOf = ({ host, parameters }: Run): SessionRules => {
  const { gap_s, ...rules } = parameters.rules;
  return { ...rules, gap_ms: gap_s * 1_000, interval: parameters.save_interval ?? host.save_interval };
};

async function openRun(run: Run): Promise<Opened> {
  const { parameters, context } = run;
  const user = await ownerNow(run);
  const { source } = parameters;
  const text =
    source?.kind === 'text'
      ? source.text
      : source?.kind === 'file' && parameters.detector.kind === 'replay'
        ? await readInput(source.path, run.host.roots)
        : null;
  const session_id = sessionName({ ...run, text });
  const sender = { user_id: context.instance.user_id, sees_all: user.sees_all, actor: `user:${user.username}`, request_id: null };
  const order = { camera_id: parameters.camera_id, session: session_id, rules: rulesOf(run), task_id: context.instance.task_id };
  const session = await openSession(context.em(), sender, order);
  await context.log.system(`camera ${parameters.camera_id}, session ${session_id}`);
  return { ...run, text, session, session_id };
}

/** What a program is told of its source. */
async function sourceFor({ host, parameters: { source } }: Run): Promise<string | null> {
  if (source?.kind === 'stream') return await checkedStream(source.url, host.allow);
  return source?.kind === 'file' || source?.kind === 'directory' ? await resolveInput(source.path, host.roots) : null;
}

/** Which frames of a session are stored: a resumed run need not look at their pictures again. */
const storedFrames = async (em: Em, session_id: number): Promise<FrameSet> =>
  new FrameSet((await allBlocks(em, session_id)).map(({ block, bits }) => [block, bits] as const));

/** @returns null: it ended well, or was stopped */
async function detect(run: Opened, emit: Emit): Promise<Outcome | null> {
  const { parameters, context, text, session } = run;
  const { detector } = parameters;
  if (detector.kind === 'person') return await lookForPersons(run, detector, emit);
  if (detector.kind === 'docker') return await runInContainer(run, detector, emit);
  if (detector.kind === 'command' || text === null) return await runProgram(run, emit);
  await replayRecording({ text, replay: detector, began_at: session.began_at }, context, emit);
  return null;
}

async function lookForPersons(run: Opened, detector: PersonDetector, emit: Emit): Promise<Outcome | null> {
  const { host, context, session, parameters } = run;
  const { source } = parameters;
  if (!source) throw new EngineError('invalid_input', 'source: expected a file, a directory or a stream');
  const began_at = detector.start_at === undefined ? session.began_at : Date.parse(detector.start_at);
  const seen = await storedFrames(context.em(), session.id);
  return await runPerson({ host, source, detector, began_at, known: (frame) => seen.has(frame) }, context, emit);
}

async function runInContainer(run: Opened, detector: Detector & { kind: 'docker' }, emit: Emit): Promise<Outcome | null> {
  const { kind: _, ...container } = detector;
  const given = await sourceFor(run);
  const env = given === null ? container.env : { DETECTION_SOURCE: given, ...container.env };
  return await runContainer({ host: run.host.docker, parameters: DockerParameters.parse({ ...container, env }) }, run.context, emit);
}

/** The detector is a program, or the source of a replay is one. */
async function runProgram(run: Opened, emit: Emit): Promise<Outcome | null> {
  const { host, context, parameters } = run;
  const command = [parameters.detector, parameters.source].find((part) => part?.kind === 'command');
  if (!command) throw new EngineError('invalid_input', 'source: expected one for this detector');
  const { argv, env } = command;
  const read = (output: AsyncIterable<Buffer>, log: EngineContext['log']) => readFrames(output, emit, log);
  const order = { host: host.commands, argv, env, source: await sourceFor(run), name: 'the detector', stdin: null, read };
  return await runCommand(order, context);
}

async function resultOf({ context, session, session_id }: Opened, recorded: Recorded): Promise<DetectionResult> {
  const totals = await sessionTotals(context.em(), session.id);
  return { camera_id: session.camera_id, session_id, ...recorded, ...totals, compliance: complianceOf(totals) };
}

/** Stores what is left, ends the session and computes its hours. A run that goes on elsewhere leaves its session as it is. */
async function conclude(run: Opened, recorder: Recorder, outcome: Outcome | null): Promise<Outcome> {
  const { context, session } = run;
  const goesOn = context.signal.aborted && ['shutdown', 'superseded'].includes(stopReason(context.signal));
  const recorded = await recorder.flush();
  if (goesOn) return stoppedOutcome(context);
  await context.fenced((em) => endSession(em, session.id));
  await updateHourlyStatistics(context.em(), { camera_id: session.camera_id });
  const result = await resultOf(run, recorded);
  if (context.signal.aborted) return stoppedOutcome(context, result);
  if (!outcome) return completed(result);
  return ended('failed', {
    code: outcome.code,
    message: outcome.error?.message ?? outcome.code,
    details: { ...outcome.error?.details, ...result },
  });
}

/** A frame that cannot be stored ends the run, but what came before it is kept. */
const faultOf = (cause: unknown): Outcome => {
  if (!(cause instanceof EngineError) || !['invalid_input', 'not_found', 'forbidden', 'conflict'].includes(cause.code)) throw cause;
  return ended('failed', { code: cause.code, message: cause.message, details: cause.details });
};

/**
 * Runs a detection task, or goes on with one: frames that were stored before are passed over.
 * @throws EngineError forbidden, not_found, invalid_input: of the task; superseded; unavailable: of the surroundings
 */
export async function runDetection(host: DetectionHost, parameters: DetectionParameters, context: EngineContext): Promise<Outcome> {
  if (context.signal.aborted) return stoppedOutcome(context);
  const run = await openRun({ host, parameters, context });
  return await host.withWriter(context, async (writer) => {
    const pictures = new Pictures(context, parameters.camera_id);
    const recorder = new Recorder({ writer, session_id: run.session.id, owner: ownerOf(context), signal: context.signal, pictures });
    const classify = classifierOf(parameters.classifier);
    const outcome = await ticking(recorder, () => detect(run, (frame) => recorder.take(classify(frame)))).catch(faultOf);
    return await conclude(run, recorder, outcome);
  });
}
