import { type RefObject, useEffect, useRef, useState } from "react";

const NEAR = 96;

/** Keeps a scrolled box at its end while it grows, as long as the reader is there; never pulls a reader who went up. */
export function useStick(box: RefObject<HTMLElement | null>, content: RefObject<HTMLElement | null>): { away: boolean; toEnd: () => void } {
  const [away, setAway] = useState(false);
  const sticking = useRef(true);
  const toEnd = () => {
    sticking.current = true;
    box.current?.scrollTo({ top: box.current.scrollHeight });
  };
  useEffect(() => {
    const element = box.current;
    const inner = content.current;
    if (!element || !inner) return undefined;
    const look = () => {
      const near = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
      sticking.current = near;
      setAway(!near);
    };
    const observer = new ResizeObserver(() => {
      if (sticking.current) element.scrollTo({ top: element.scrollHeight });
      else look();
    });
    observer.observe(inner);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [box, content]);
  return { away, toEnd };
}
