import { useEffect, useRef } from 'preact/hooks';
import type { WatchItem } from '../../api/watch.ts';
import { useServices } from '../services.ts';

/** Calls `take` for every live item. */
export function useLive(take: (item: WatchItem) => void): void {
  const { live } = useServices();
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => live.subscribe((item) => latest.current(item)), [live]);
}

/**
 * Calls `reload` after live items that concern it: soon, but not more often than every `atMostEveryMs`, however many
 * come.
 */
export function useReloadOn(concerns: (item: WatchItem) => boolean, reload: () => void, atMostEveryMs: number): void {
  const latest = useRef(reload);
  latest.current = reload;
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const lastMs = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => () => clearTimeout(timer.current), []);
  useLive((item) => {
    if (timer.current !== undefined || !concerns(item)) return;
    const waitMs = Math.max(300, lastMs.current + atMostEveryMs - performance.now());
    timer.current = setTimeout(() => {
      timer.current = undefined;
      lastMs.current = performance.now();
      latest.current();
    }, waitMs);
  });
}

/** Changes were missed, or may have been: everything on the page must be read again. */
export function isGap({ type }: WatchItem): boolean {
  return type === 'gap';
}
