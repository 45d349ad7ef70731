/** One server-sent event; `id` and `event` are '' when the server sent none. */
export type StreamEvent = { id: string; event: string; data: string };

const FIELD = /^(id|event|data): ?(.*)$/;

/** Reads server-sent events (WHATWG) from text in chunks of any size. Comments and `retry` are skipped, and so is an event that was cut off. */
export async function* parseEvents(chunks: AsyncIterable<string>): AsyncGenerator<StreamEvent> {
  let rest = '';
  for await (const chunk of chunks) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parseBlock(block);
      if (event) yield event;
    }
  }
}

function parseBlock(block: string): StreamEvent | null {
  const fields = { id: '', event: '', data: [] as string[] };
  for (const line of block.split('\n')) {
    const [, name, value = ''] = FIELD.exec(line) ?? [];
    if (name === 'data') fields.data.push(value);
    else if (name === 'id' || name === 'event') fields[name] = value;
  }
  return fields.data.length === 0 ? null : { ...fields, data: fields.data.join('\n') };
}
