import { nowMs } from './now.ts';

export type BareActivities = { nothing(): Promise<{ began_ms: number }> };

/** An activity that does nothing and says when: the same answer as the `empty` engine of the product side. `began` is called each time. */
export const createBareActivities = (began: () => void): BareActivities => ({
  async nothing() {
    began();
    return { began_ms: nowMs() };
  },
});
