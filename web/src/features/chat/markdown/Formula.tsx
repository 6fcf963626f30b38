import { memo, useLayoutEffect, useRef } from "react";
import { lazily } from "./lazily";

const useKatex = lazily(() => import("./katex"));

/** A formula; the TeX itself until KaTeX has come. */
export const Formula = memo(function Formula({ tex, display }: { tex: string; display: boolean }) {
  const draw = useKatex(true);
  const place = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (draw && place.current) draw(tex, place.current, display);
  }, [draw, tex, display]);
  const shape = display ? "block overflow-x-auto" : "";
  return draw ? <span ref={place} className={shape} /> : <code className={shape}>{tex}</code>;
});
