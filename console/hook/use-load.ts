import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { RequestFailure, Result } from '../../api/client.ts';
import { useServices } from '../services.ts';
import { isGap, useReloadOn } from './use-live.ts';

/** Something that is read from the collector. An older value stays while it is read again. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly problem: RequestFailure | undefined;
  readonly isLoading: boolean;
  /** When `value` was read; 0: never. */
  readonly atMs: number;
  readonly reload: () => void;
}

interface State<T> {
  readonly key: string;
  readonly value: T | undefined;
  readonly problem: RequestFailure | undefined;
  readonly isLoading: boolean;
  readonly atMs: number;
}

/** Gaps that follow each other quickly cause one read. */
const GAP_MS = 2000;

/**
 * Reads something, and again when `key` changes, when `reload` is called, and after a gap in the live changes, as there
 * is after each lost connection: also what failed meanwhile. A read that is overtaken is cancelled. The first read waits
 * for the live stream, so that no change falls between the two. With `everyMs` it is read again each time so long has
 * passed, for what changes without an event; not while the page is hidden.
 */
export function useLoad<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<Result<T>>,
  everyMs?: number,
): Loaded<T> {
  const { live } = useServices();
  const fresh: State<T> = { key, value: undefined, problem: undefined, isLoading: true, atMs: 0 };
  const [state, setState] = useState<State<T>>(fresh);
  const latest = useRef(load);
  latest.current = load;
  const running = useRef<AbortController>(undefined);
  const start = useCallback(() => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setState((last) => (last.key === key ? { ...last, isLoading: true } : { ...fresh, key }));
    const run = async (): Promise<void> => {
      await live.ready;
      if (controller.signal.aborted) return;
      const result = await latest.current(controller.signal);
      if (controller.signal.aborted) return;
      running.current = undefined;
      setState((last) =>
        result.ok
          ? { key, value: result.value, problem: undefined, isLoading: false, atMs: Date.now() }
          : { ...(last.key === key ? last : fresh), problem: result.problem, isLoading: false },
      );
    };
    void run();
  }, [key, live]);
  useEffect(() => {
    start();
    return () => running.current?.abort();
  }, [start]);
  useReloadOn(isGap, start, GAP_MS);
  useEffect(() => {
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => (document.hidden ? undefined : start()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, start]);
  const current = state.key === key ? state : fresh;
  const { value, problem, isLoading, atMs } = current;
  return { value, problem, isLoading, atMs, reload: start };
}
