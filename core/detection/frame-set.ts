/** Frames of one block. A block is one row of the database: 512 bytes for each 4,096 frames, whatever order they come in. */
export const BLOCK_FRAMES = 4_096;
const BLOCK_BYTES = BLOCK_FRAMES / 8;

/** Which block a frame is in. */
export const blockOf = (frame_number: number): number => Math.floor(frame_number / BLOCK_FRAMES);

/**
 * The frames of a session that were dealt with, by block. Exact: a frame is new once, however often and in whatever order it is sent.
 * Blocks that it is not given count as empty.
 */
export class FrameSet {
  private readonly blocks: Map<number, Buffer>;
  private readonly touched = new Set<number>();

  constructor(blocks: Iterable<readonly [number, Uint8Array]> = []) {
    this.blocks = new Map([...blocks].map(([block, bits]) => [block, Buffer.from(bits)]));
  }

  has(frame_number: number): boolean {
    const byte = this.blocks.get(blockOf(frame_number))?.[Math.floor((frame_number % BLOCK_FRAMES) / 8)] ?? 0;
    return (byte & (1 << (frame_number % 8))) !== 0;
  }

  /** @returns false when it was there already */
  add(frame_number: number): boolean {
    const block = blockOf(frame_number);
    const bits = this.blocks.get(block) ?? Buffer.alloc(BLOCK_BYTES);
    const at = frame_number % BLOCK_FRAMES;
    const [byte, bit] = [Math.floor(at / 8), 1 << (at % 8)];
    if (((bits[byte] ?? 0) & bit) !== 0) return false;
    bits[byte] = (bits[byte] ?? 0) | bit;
    this.blocks.set(block, bits);
    this.touched.add(block);
    return true;
  }

  /** Blocks that were added to. */
  changed(): { block: number; bits: Buffer }[] {
    return [...this.touched].sort((a, b) => a - b).map((block) => ({ block, bits: this.blocks.get(block) as Buffer }));
  }
}
