import type { JSX } from 'preact';
import { useCallback, useRef } from 'preact/hooks';
import type { FindingFilter } from '../filter.ts';
import { findingsHash } from '../route.ts';
import type { FindingPlace } from '../route.ts';
import { FilterBar } from './filter-bar.tsx';
import { FindingPanel } from './finding-panel.tsx';
import { FindingRows } from './finding-rows.tsx';
import { useFindingList } from './use-finding-list.ts';

/** All findings that match, and beside them the details of one. */
export function FindingsView({
  filter,
  open,
}: {
  readonly filter: FindingFilter;
  readonly open: FindingPlace | undefined;
}): JSX.Element {
  const found = useFindingList(filter);
  const list = useRef<HTMLDivElement>(null);
  const { findings } = found.list;
  const close = useCallback(() => {
    location.hash = findingsHash(filter);
    // The row that was open is the one that the keyboard goes on from.
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>('a[tabindex="0"]')?.focus());
  }, [filter]);
  return (
    <div class={`findings ${open === undefined ? '' : 'findings-open'}`}>
      <div class="findings-side">
        <div class="findings-head">
          <h1 tabIndex={-1}>Findings</h1>
          <p class="findings-count" role="status">
            {found.count}
          </p>
        </div>
        <FilterBar filter={filter} />
        <div ref={list} class="findings-list">
          <FindingRows found={found} filter={filter} openUid={open?.uid} />
        </div>
      </div>
      {open === undefined ? null : (
        <FindingPanel
          key={open.uid}
          place={open}
          known={findings.find(({ uid }) => uid === open.uid)}
          onClose={close}
        />
      )}
    </div>
  );
}
