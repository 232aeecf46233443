import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { findingPage } from '../../api/finding.ts';
import type { RequestFailure } from '../../api/client.ts';
import { writeFilter } from '../filter.ts';
import type { FindingFilter } from '../filter.ts';
import { isGap, useLive, useReloadOn } from '../hook/use-live.ts';
import { useServices } from '../services.ts';
import { appendPage, applyEvent, EMPTY_LIST, matchCount } from './finding-list.ts';
import type { FindingList } from './finding-list.ts';

/** A filtered list on the page. */
export interface FindingListState {
  readonly list: FindingList;
  /** Is the first page on its way. */
  readonly isLoading: boolean;
  readonly problem: RequestFailure | undefined;
  /** How many match, for people; says so while that was not read. */
  readonly count: string;
  /** Reads on until row `index` is there. */
  readonly need: (index: number) => void;
  readonly reload: () => void;
}

/** The first page is small, so that it is there at once; further ones are large, so that they are few. */
const FIRST_PAGE = 100;
const NEXT_PAGE = 1000;

interface State {
  readonly query: string;
  readonly list: FindingList;
  readonly isLoading: boolean;
  readonly problem: RequestFailure | undefined;
}

/** The list for a filter: read page by page, and kept up to date by the live events. */
export function useFindingList(filter: FindingFilter): FindingListState {
  const { api, live } = useServices();
  const query = writeFilter(filter);
  const fresh: State = { query, list: EMPTY_LIST, isLoading: true, problem: undefined };
  const [state, setState] = useState(fresh);
  const running = useRef<AbortController>(undefined);
  const latest = useRef(state);
  latest.current = state;
  const needed = useRef(0);

  const read = useCallback(
    async (kept: FindingList, signal: AbortSignal): Promise<void> => {
      let list = kept;
      do {
        const isFirst = list.cursor === null;
        const page = new URLSearchParams(query);
        page.set('limit', String(isFirst ? FIRST_PAGE : NEXT_PAGE));
        if (isFirst) page.set('total', 'true');
        if (list.cursor !== null) page.set('cursor', list.cursor);
        const answer = await api.get(`/v1/findings?${page.toString()}`, findingPage, signal);
        if (signal.aborted) return;
        if (!answer.ok) {
          setState((last) => ({ ...last, query, isLoading: false, problem: answer.problem }));
          return;
        }
        // Changes may have come in the meantime: what they made of the list is what the page is added to.
        const current = latest.current;
        list = appendPage(isFirst || current.query !== query ? EMPTY_LIST : current.list, answer.value);
        latest.current = { query, list, isLoading: false, problem: undefined };
        setState(latest.current);
      } while (list.cursor !== null && list.findings.length <= needed.current);
    },
    [api, query],
  );

  const start = useCallback(() => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    const run = async (): Promise<void> => {
      await live.ready;
      if (!controller.signal.aborted) await read(EMPTY_LIST, controller.signal);
      if (running.current === controller) running.current = undefined;
    };
    void run();
  }, [live, read]);

  useEffect(() => {
    needed.current = 0;
    setState((last) => ({ ...last, isLoading: true }));
    start();
    return () => running.current?.abort();
  }, [start]);

  useLive((item) => {
    if (item.type !== 'finding' || latest.current.query !== query) return;
    latest.current = { ...latest.current, list: applyEvent(latest.current.list, item.event, filter) };
    setState(latest.current);
  });
  useReloadOn(isGap, start, 2000);

  const need = useCallback(
    (index: number) => {
      const { list, problem } = latest.current;
      needed.current = Math.max(needed.current, index);
      if (running.current !== undefined || problem !== undefined) return;
      if (list.cursor === null || index < list.findings.length) return;
      const controller = new AbortController();
      running.current = controller;
      void read(list, controller.signal).finally(() => {
        if (running.current === controller) running.current = undefined;
      });
    },
    [read],
  );
  const { list, problem } = state;
  const isLoading = state.isLoading || state.query !== query;
  const count = isLoading ? 'Reading …' : problem === undefined ? matchCount(list) : 'not read';
  return { list, isLoading, problem, count, need, reload: start };
}
