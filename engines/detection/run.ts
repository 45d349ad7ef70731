import { createHash } from 'node:crypto';
import type { SessionRules } from '../../core/detection/session.ts';
import { complianceOf } from '../../core/detection/statistics.ts';
import { EngineError } from '../../core/errors.ts';
import { completed, ended, type Outcome } from '../../core/outcome.ts';
import { updateHourlyStatistics } from '../../entities/camera-statistics.queries.ts';
import { endSession, type OpenedSession, openSession, sessionTotals } from '../../entities/detection-session.queries.ts';
import { query } from '../../entities/sql.ts';
import type { EngineContext } from '../define-engine.ts';
import type { DockerHost } from '../docker/obtain.ts';
import { DockerParameters } from '../docker/parameters.ts';
import { stoppedOutcome, stopReason } from '../stopped.ts';
import { classifierOf } from './classify.ts';
import type { DetectionWriter } from './detection-writer.ts';
import type { Emit } from './detector-line.ts';
import { readInput, resolveInput } from './input-files.ts';
import { type DetectionParameters, type DetectionResult, runsCommands } from './parameters.ts';
import { ownerOf, type Recorded, Recorder, ticking } from './recorder.ts';
import { replayRecording } from './replay.ts';
import { type CommandHost, runCommand } from './run-command.ts';
import { runContainer } from './run-container.ts';

/** What the runs of one worker share. `writer` is lent for the time of a run. */
export type DetectionHost = {
  commands: CommandHost;
  docker: DockerHost;
  roots: readonly string[];
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
  if (source?.kind === 'stream') return source.url;
  return source?.kind === 'file' || source?.kind === 'directory' ? await resolveInput(source.path, host.roots) : null;
}

/** @returns null: it ended well, or was stopped */
async function detect(run: Opened, emit: Emit): Promise<Outcome | null> {
  const { host, parameters, context, text, session } = run;
  const { detector, source } = parameters;
  if (detector.kind === 'replay' && text !== null) {
    await replayRecording({ text, replay: detector, began_at: session.began_at }, context, emit);
    return null;
  }
  if (detector.kind === 'docker') {
    const { kind: _, ...container } = detector;
    const env = source?.kind === 'stream' ? { DETECTION_SOURCE: source.url, ...container.env } : container.env;
    return await runContainer({ host: host.docker, parameters: DockerParameters.parse({ ...container, env }) }, context, emit);
  }
  const command = detector.kind === 'command' ? detector : source?.kind === 'command' ? source : null;
  if (!command) throw new EngineError('invalid_input', 'source: expected one for this detector');
  return await runCommand({ host: host.commands, argv: command.argv, env: command.env, source: await sourceFor(run) }, context, emit);
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
    const recorder = new Recorder({ writer, session_id: run.session.id, owner: ownerOf(context), signal: context.signal });
    const classify = classifierOf(parameters.classifier);
    const outcome = await ticking(recorder, () => detect(run, (frame) => recorder.take(classify(frame)))).catch(faultOf);
    return await conclude(run, recorder, outcome);
  });
}
