import { isMainThread } from 'node:worker_threads';

/**
 * Preloaded into the processes that `npm start` starts (`node --import`): their standard input is a pipe that the supervisor holds. When it
 * closes, the supervisor is gone without a word, and this process goes the same way, as if both had been killed together. Threads preload
 * this too, but have no such pipe.
 */
if (isMainThread) {
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
  (process.stdin as unknown as { unref?: () => void }).unref?.();
}
