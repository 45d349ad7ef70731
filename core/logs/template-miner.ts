import { maskedTokens, WILDCARD } from './masks.ts';

/** Messages of one shape. `number` is the miner's own and never changes; `tokens` become more general as messages join. */
export type Cluster = { number: number; tokens: string[]; count: number };

export type MinerOptions = {
  /** Share of tokens that must be equal for a message to join a cluster, 0–1. */
  similarity: number;
  /** Leading tokens that divide clusters of one length. */
  depth: number;
  /** Different tokens that a node tells apart; further ones share one branch. */
  children: number;
  /** Clusters that are known at once; beyond that the one that was longest without a message is forgotten. */
  clusters: number;
  /** Clusters compared with a message. */
  leaf: number;
};

export const MINER_DEFAULTS: MinerOptions = { similarity: 0.4, depth: 2, children: 100, clusters: 5_000, leaf: 100 };

/** Equal tokens, wildcards apart, as a share of all. */
function likeness(cluster: readonly string[], tokens: readonly string[]): number {
  let equal = 0;
  for (let i = 0; i < tokens.length; i++) if (cluster[i] === tokens[i]) equal++;
  return tokens.length === 0 ? 1 : equal / tokens.length;
}

const wildcards = (tokens: readonly string[]): number => tokens.reduce((sum, token) => sum + (token === WILDCARD ? 1 : 0), 0);
const merged = (a: readonly string[], b: readonly string[]): string[] => a.map((token, i) => (token === b[i] ? token : WILDCARD));

/**
 * Finds the templates of messages as they come (Drain: He, Zhu, Zheng, Lyu, ICWS 2017): messages of as many tokens that begin alike are compared,
 * and join the likest cluster or begin one. Memory and time per message are bounded, whatever comes.
 */
export class TemplateMiner {
  private readonly options: MinerOptions;
  private readonly leaves = new Map<string, Cluster[]>();
  private readonly branches = new Map<string, Set<string>>();
  /** In the order of their last message, the longest silent first. */
  private readonly recent = new Map<number, string>();
  private next = 1;
  private branch_count = 0;

  constructor(options: Partial<MinerOptions> = {}) {
    this.options = { ...MINER_DEFAULTS, ...options };
  }

  /** The cluster that the message belongs to, with the message counted. */
  add(message: string): Cluster {
    const tokens = maskedTokens(message);
    const leaf = this.leafOf(tokens);
    const clusters = this.leaves.get(leaf) ?? [];
    const cluster = this.best(clusters, tokens) ?? this.begin(leaf, clusters, tokens);
    cluster.count++;
    this.touch(cluster, leaf);
    return cluster;
  }

  /** Takes clusters back that an earlier miner of the same log had. */
  restore(clusters: readonly Cluster[]): void {
    for (const cluster of clusters) {
      const leaf = this.leafOf(cluster.tokens);
      this.leaves.set(leaf, [...(this.leaves.get(leaf) ?? []), { ...cluster }]);
      this.touch(cluster, leaf);
      this.next = Math.max(this.next, cluster.number + 1);
    }
  }

  get size(): number {
    return this.recent.size;
  }

  private leafOf(tokens: readonly string[]): string {
    let path = String(tokens.length);
    for (let i = 0; i < Math.min(this.options.depth, tokens.length); i++) path += `\n${this.branchAt(path, tokens[i] as string)}`;
    return path;
  }

  private branchAt(path: string, token: string): string {
    if (token.includes(WILDCARD)) return WILDCARD;
    const known = this.branches.get(path) ?? new Set<string>();
    if (known.has(token)) return token;
    if (known.size >= this.options.children || this.branch_count >= 4 * this.options.clusters) return WILDCARD;
    this.branches.set(path, known.add(token));
    this.branch_count++;
    return token;
  }

  /** A full leaf takes no new clusters: there the likest one, however little like, becomes more general. */
  private best(clusters: readonly Cluster[], tokens: readonly string[]): Cluster | null {
    let best: Cluster | null = null;
    let most = -1;
    for (const cluster of clusters) {
      const like = likeness(cluster.tokens, tokens);
      if (like > most || (like === most && best && wildcards(cluster.tokens) < wildcards(best.tokens))) {
        best = cluster;
        most = like;
      }
    }
    if (!best || (most < this.options.similarity && clusters.length < this.options.leaf)) return null;
    if (most < 1) best.tokens = merged(best.tokens, tokens);
    return best;
  }

  private begin(leaf: string, clusters: Cluster[], tokens: string[]): Cluster {
    const cluster: Cluster = { number: this.next++, tokens, count: 0 };
    clusters.push(cluster);
    this.leaves.set(leaf, clusters);
    if (this.recent.size >= this.options.clusters) this.forgetOldest();
    return cluster;
  }

  private touch(cluster: Cluster, leaf: string): void {
    this.recent.delete(cluster.number);
    this.recent.set(cluster.number, leaf);
  }

  private forgetOldest(): void {
    const [number, leaf] = this.recent.entries().next().value as [number, string];
    this.recent.delete(number);
    const left = (this.leaves.get(leaf) ?? []).filter((cluster) => cluster.number !== number);
    if (left.length > 0) this.leaves.set(leaf, left);
    else this.leaves.delete(leaf);
  }
}

/** A template as text. */
export const templateText = (cluster: Cluster): string => cluster.tokens.join(' ');
