import { type Claim, type ClaimItem, claimInstances } from '../commands/claim-instance.ts';
import { Gatherer } from '../commands/gatherer.ts';
import type { Em } from '../entities/sql.ts';

/** `ahead_ms`: how long what was claimed ahead is kept for its activity; 10 s unless said otherwise. */
type ClaimerOptions = { fork(): Em; worker: string; boot_id: string; crowded(): boolean; ahead_ms?: number };

const AHEAD_MS = 10_000;

/** Takes instances over in groups, as `Finisher` ends them. A fault is the activity's: Temporal starts it again. */
export class Claimer {
  private readonly claims: Gatherer<ClaimItem, Claim | null>;
  private readonly ahead = new Map<string, Promise<Claim | null>>();
  private readonly ahead_ms: number;

  constructor({ fork, worker, boot_id, crowded, ahead_ms = AHEAD_MS }: ClaimerOptions) {
    const run = async (items: ClaimItem[]) => {
      const claimed = new Map((await claimInstances(fork(), items, { worker, boot_id })).map((claim) => [claim.runid, claim]));
      return items.map(({ runid }) => claimed.get(runid) ?? null);
    };
    this.claims = new Gatherer({ run, crowded });
    this.ahead_ms = ahead_ms;
  }

  /**
   * Claims for an execution that is about to ask: a workflow's first steps take as long as the claim does, so they go on side by side. Should it never ask, its instance
   * is as after a crash between claim and work: the next execution ends it as lost.
   */
  claimAhead(item: ClaimItem): void {
    const key = keyOf(item);
    this.ahead.set(
      key,
      this.claims.add(item).catch(() => null),
    );
    setTimeout(() => this.ahead.delete(key), this.ahead_ms).unref();
  }

  /** @returns null when the instance is final, runs elsewhere, or a later execution owns it */
  async claim(item: ClaimItem): Promise<Claim | null> {
    const key = keyOf(item);
    const ahead = this.ahead.get(key);
    this.ahead.delete(key);
    return (await ahead) ?? (await this.claims.add(item));
  }
}

const keyOf = ({ runid, execution, temporal_run_id }: ClaimItem): string => `${runid} ${execution} ${temporal_run_id}`;
