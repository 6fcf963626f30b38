import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cut, feed, wire } from "@/testing/wire";
import { serverEvents } from "./sse";

describe("server-sent events", () => {
  it("are the same however the network cut the bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ type: fc.constantFrom("message.delta", "usage"), text: fc.string({ unit: "grapheme" }) }), { maxLength: 20 }), fc.infiniteStream(fc.integer({ min: 1, max: 40 })), async (events, sizes) => {
        const sent = events.map(({ type, text }, index) => ({ seq: index + 1, type, data: { text } }));
        const seen = [];
        for await (const batch of serverEvents(feed(cut(wire(sent), sizes)))) seen.push(...batch);
        expect(seen.map(({ id, type, data }) => ({ seq: Number(id), type, data: JSON.parse(data) as unknown }))).toEqual(sent);
      }),
    );
  });

  it("give no event for heartbeats", async () => {
    const seen = [];
    for await (const batch of serverEvents(feed([new TextEncoder().encode(": beat\n\n: beat\n\n")]))) seen.push(...batch);
    expect(seen).toEqual([]);
  });
});
