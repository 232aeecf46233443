import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { RequestFailure, Result } from '../api/client.ts';
import { useServices } from '../services.ts';

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

/**
 * Reads something, and again when `key` changes or `reload` is called. A read that is overtaken is cancelled. The
 * first read waits for the live stream, so that no change falls between the two.
 */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<Result<T>>): Loaded<T> {
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
  const current = state.key === key ? state : fresh;
  const { value, problem, isLoading, atMs } = current;
  return { value, problem, isLoading, atMs, reload: start };
}
