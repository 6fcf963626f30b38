import { createParser } from "eventsource-parser";

export interface ServerEvent {
  id: string | undefined;
  type: string;
  data: string;
}

/** Server-sent events out of bytes, however the network cut them (also inside of a character). */
export async function* serverEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent[]> {
  const decoder = new TextDecoder();
  let batch: ServerEvent[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => batch.push({ id, type: event ?? "message", data }),
  });
  for await (const chunk of chunks) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    const ready = batch;
    batch = [];
    if (ready.length > 0) yield ready;
  }
}

/** The chunks of a body; fails when nothing, not even a heartbeat, came for `silence` milliseconds. */
export async function* chunksOf(stream: ReadableStream<Uint8Array>, silence = 60_000): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await withDeadline(reader.read(), silence);
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function withDeadline<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the stream fell silent")), milliseconds);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
