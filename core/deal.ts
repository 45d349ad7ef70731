import type { Candidate } from './admission-state.ts';
import { type Share, startCost } from './fair-share.ts';
import { inOrder, precedes, type Ranked } from './order.ts';
import { placeOf, type Room } from './room.ts';

/** Deals candidates out in the order of admission. `next` null: there are no more; `charge`: the task starts, which counts against its user. */
export type Deal = { next(): Candidate | null; charge(candidate: Candidate): void };

/** A user's waiting tasks of one fair queue, in their order. `at`: which of them comes next. */
type Line = { tasks: readonly Ranked[]; at: number; usage: number };

/** What is dealt out in turn with others: the tasks of one fair queue, or those of all that are not. `peek` null: nothing is left. */
type Source = { peek(): Ranked | null; pop(): void; charge(cost: number): void };

/** What decides the turns of users; `closed`: the task itself lacks something just now, so that it must not stand before others. */
type Turns = { shares: readonly Share[]; closed(candidate: Candidate): boolean };

/**
 * The order of admission. From a fair queue comes next the first task (by vtime) of the user with the least usage, which rises with each start; all other
 * tasks come by their vtime, and so it is decided between that task and those of other queues. A closed task at the head of a fair queue is dealt at once:
 * its vtime, which may be worse than that of the task behind it, says nothing about the queue.
 */
export function deal(candidates: readonly Candidate[], room: Room, { shares, closed }: Turns): Deal {
  const ranked = inOrder(candidates, room.queues);
  const fair = Map.groupBy(
    ranked.filter(({ candidate }) => isFair(candidate, room)),
    ({ candidate }) => candidate.queue,
  );
  const plain = inTurn(ranked.filter(({ candidate }) => !isFair(candidate, room)));
  const queues = new Map([...fair].map(([queue, tasks]) => [queue, byUser(tasks, shares)]));
  const lines = [...queues.values()];
  const sources = [plain, ...lines];
  const isClosed = (ranked: Ranked | null): boolean => ranked !== null && closed(ranked.candidate);
  return {
    next: () => {
      const hidden = lines.find((line) => isClosed(line.peek()));
      const first = hidden ?? firstOf(sources);
      const ranked = first?.peek() ?? null;
      first?.pop();
      return ranked?.candidate ?? null;
    },
    charge: (candidate) => queues.get(candidate.queue)?.charge(startCost(candidate.amount, placeOf(candidate, room).pool.total)),
  };
}

const isFair = ({ queue }: Candidate, room: Room): boolean => room.queues.get(queue)?.fairness === 'user';

function firstOf(sources: readonly Source[]): Source | null {
  let [first, best]: [Source | null, Ranked | null] = [null, null];
  for (const source of sources) {
    const ranked = source.peek();
    if (ranked && (!best || precedes(ranked, best))) [first, best] = [source, ranked];
  }
  return first;
}

function inTurn(tasks: readonly Ranked[]): Source {
  let at = 0;
  return {
    peek: () => tasks[at] ?? null,
    pop: () => {
      at += 1;
    },
    charge: () => undefined,
  };
}

/** Lines of users, the one with the least usage last; `dealt`: the line that was served last, out of the list until its usage is known. */
function byUser(tasks: readonly Ranked[], shares: readonly Share[]): Source {
  const usage = new Map(shares.filter(({ queue }) => queue === tasks[0]?.candidate.queue).map((share) => [share.user, share.usage]));
  const open: Line[] = [...Map.groupBy(tasks, ({ candidate }) => candidate.user)].map(([user, mine]) => ({
    tasks: mine,
    at: 0,
    usage: usage.get(user) ?? 0,
  }));
  open.sort((a, b) => (comesBefore(a, b) ? 1 : -1));
  let dealt: Line | null = null;
  const settle = (): void => {
    if (dealt && dealt.at < dealt.tasks.length) insert(open, dealt);
    dealt = null;
  };
  return {
    peek: () => {
      settle();
      return open.at(-1)?.tasks[open.at(-1)?.at ?? 0] ?? null;
    },
    pop: () => {
      dealt = open.pop() ?? null;
      if (dealt) dealt.at += 1;
    },
    charge: (cost) => {
      if (dealt) dealt.usage += cost;
    },
  };
}

/** No two are alike: of equal users the one goes first whose task does. */
function comesBefore(a: Line, b: Line): boolean {
  if (a.usage !== b.usage) return a.usage < b.usage;
  const [first, second] = [a.tasks[a.at], b.tasks[b.at]];
  return first !== undefined && (second === undefined || precedes(first, second));
}

/** Puts a line where it belongs among the others, by bisection: there may be thousands of users. */
function insert(open: Line[], line: Line): void {
  let [low, high] = [0, open.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comesBefore(line, open[middle] as Line)) low = middle + 1;
    else high = middle;
  }
  open.splice(low, 0, line);
}
