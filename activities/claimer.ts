import { type Claim, type ClaimItem, claimInstances } from '../commands/claim-instance.ts';
import { Gatherer } from '../commands/gatherer.ts';
import type { Em } from '../entities/sql.ts';

type ClaimerOptions = { fork(): Em; worker: string; boot_id: string; crowded(): boolean };

/** Takes instances over in groups, as `Finisher` ends them. A fault is the activity's: Temporal starts it again. */
export class Claimer {
  private readonly claims: Gatherer<ClaimItem, Claim | null>;

  constructor({ fork, worker, boot_id, crowded }: ClaimerOptions) {
    const run = async (items: ClaimItem[]) => {
      const claimed = new Map((await claimInstances(fork(), items, { worker, boot_id })).map((claim) => [claim.runid, claim]));
      return items.map(({ runid }) => claimed.get(runid) ?? null);
    };
    this.claims = new Gatherer({ run, crowded });
  }

  /** @returns null when the instance is final, runs elsewhere, or a later execution owns it */
  claim(item: ClaimItem): Promise<Claim | null> {
    return this.claims.add(item);
  }
}
