import { type ChildProcess, spawn } from 'node:child_process';
import { RESERVATION } from './user-ids.ts';

/** What to kill when this worker process dies: the process group, and everything with the runid's mark. */
export type Guarded = { runid: string; pid: number; uid: number | null };

/**
 * Reads `+ runid pid uid` and `- runid` until its input closes, which the death of the worker does even on SIGKILL. Then kills what
 * is still registered: each group, each process that carries the mark or has the user id (twice, against a race with a fork). A user id that another
 * worker has reserved meanwhile is left to that one, which kills what is left under it before it starts anything. One look at /proc for all of them:
 * dozens may be registered.
 */
const SCRIPT = `
live=''
while read -r op runid pid uid; do
  rest=''
  for entry in $live; do [ "\${entry%%:*}" = "$runid" ] || rest="$rest $entry"; done
  live=$rest
  [ "$op" = + ] && live="$live $runid:$pid:$uid"
done
[ -n "$live" ] || exit 0
for entry in $live; do
  ids=\${entry#*:}
  kill -KILL "-\${ids%%:*}" 2>/dev/null
done
for round in 1 2; do
  runids=''; uids=''
  for entry in $live; do
    runids="$runids|\${entry%%:*}"; uid=\${entry##*:}
    [ "$uid" = - ] || grep -qs "@${RESERVATION}$uid$" /proc/net/unix || uids="$uids|$uid"
  done
  for file in $(grep -lsE "ORCHESTRATOR_RUNID=(\${runids#|})" /proc/[0-9]*/environ
    [ -z "$uids" ] || grep -lsE "^Uid:[[:space:]]*(\${uids#|})[[:space:]]" /proc/[0-9]*/status); do
    other=\${file#/proc/}
    kill -KILL "\${other%%/*}" 2>/dev/null
  done
done
`;

/** Kills running shell tasks when the worker itself is killed. One small process per worker, from the first task to the worker's end. */
export class ShellGuard {
  private child: ChildProcess | null = null;
  private readonly live = new Map<string, Guarded>();

  add(guarded: Guarded): void {
    this.live.set(guarded.runid, guarded);
    if (this.child) this.say(guarded);
    else this.start();
  }

  /** To be called when nothing of the instance is left. */
  remove(runid: string): void {
    this.live.delete(runid);
    this.child?.stdin?.write(`- ${runid}\n`);
  }

  private say({ runid, pid, uid }: Guarded): void {
    this.child?.stdin?.write(`+ ${runid} ${pid} ${uid ?? '-'}\n`);
  }

  private start(): void {
    const env = { PATH: '/usr/bin:/bin' };
    const child = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, env, cwd: '/', stdio: ['pipe', 'ignore', 'ignore'] });
    this.child = child;
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    child.once('exit', () => this.restart(child));
    child.unref();
    (child.stdin as unknown as { unref?: () => void }).unref?.();
    for (const guarded of this.live.values()) this.say(guarded);
  }

  private restart(gone: ChildProcess): void {
    if (this.child !== gone) return;
    this.child = null;
    if (this.live.size > 0) this.start();
  }
}
