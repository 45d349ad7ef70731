/** One message of the Engine about a pull, push or build. */
export type EngineMessage = {
  id?: string;
  status?: string;
  stream?: string;
  error?: string;
  errorDetail?: { message?: string };
  progressDetail?: { current?: number; total?: number };
  aux?: { ID?: string; Digest?: string; Size?: number };
};

type Layer = { current: number; total: number; done: boolean };

/** How far an operation is. `percent` 0–100 never falls; bytes are those of layers that had to travel. */
export type ImageProgress = { layers: number; layers_done: number; bytes: number; bytes_total: number; percent: number; note: string };

const DONE = /^(?:Pull complete|Already exists|Download complete|Pushed|Layer already exists|Mounted from)/;
const STEP = /^Step (\d+)\/(\d+) ?: ?(.*)/;
const LONGEST_NOTE = 200;

/** Adds up the Engine's messages. */
export class ImageProgressMeter {
  private readonly layers = new Map<string, Layer>();
  private percent = 0;
  private note = '';
  /** What the Engine said went wrong, null so far. */
  failure: string | null = null;
  /** The id or digest that it reported for what it made. */
  made: string | null = null;

  add(message: EngineMessage): void {
    if (message.error) this.failure = message.errorDetail?.message ?? message.error;
    this.made = message.aux?.ID ?? message.aux?.Digest ?? this.made;
    if (message.id && message.status) this.layer(message.id, message);
    this.noteOf(message);
    this.percent = Math.max(this.percent, this.reached());
  }

  get state(): ImageProgress {
    const layers = [...this.layers.values()];
    const sum = (pick: (layer: Layer) => number) => layers.reduce((total, layer) => total + pick(layer), 0);
    return {
      layers: layers.length,
      layers_done: sum((layer) => (layer.done ? 1 : 0)),
      bytes: sum((layer) => layer.current),
      bytes_total: sum((layer) => layer.total),
      percent: Math.floor(this.percent),
      note: this.note,
    };
  }

  /** A tag's own messages carry the tag as id; layers have twelve hexadecimal digits. */
  private layer(id: string, { status, progressDetail }: EngineMessage): void {
    if (!/^[0-9a-f]{12}$/.test(id)) return;
    const layer = this.layers.get(id) ?? { current: 0, total: 0, done: false };
    const { current = 0, total = 0 } = progressDetail ?? {};
    const travelling = /^(?:Downloading|Pushing)/.test(status ?? '');
    if (travelling) [layer.current, layer.total] = [Math.max(layer.current, current), Math.max(layer.total, total, current)];
    if (DONE.test(status ?? '')) [layer.done, layer.current] = [true, Math.max(layer.current, layer.total)];
    this.layers.set(id, layer);
  }

  private noteOf({ id, status, stream }: EngineMessage): void {
    const text = (stream ?? [id, status].filter(Boolean).join(': ')).trim();
    if (text !== '') this.note = text.slice(0, LONGEST_NOTE);
  }

  /** Half for the layers that are done, half for the bytes that came; a build goes by its steps. */
  private reached(): number {
    const step = STEP.exec(this.note);
    if (step) return (100 * (Number(step[1]) - 1)) / Number(step[2]);
    const { layers, layers_done, bytes, bytes_total } = this.state;
    if (layers === 0) return 0;
    return Math.min(99, (50 * layers_done) / layers + (bytes_total === 0 ? 0 : (50 * bytes) / bytes_total));
  }
}
