import type { JSX } from 'preact';
import { useCallback, useRef } from 'preact/hooks';
import type { FindingFilter } from '../filter.ts';
import { findingsHash } from '../route.ts';
import type { FindingPlace } from '../route.ts';
import { GROUP_BY } from '../../api/finding.ts';
import type { GroupBy } from '../../api/finding.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { FilterBar } from './filter-bar.tsx';
import { FindingGroups } from './finding-groups.tsx';
import { FindingPanel } from './finding-panel.tsx';
import { FindingRows } from './finding-rows.tsx';
import { useFindingList } from './use-finding-list.ts';

/** All findings that match, as a list with the details of one beside it, or counted in groups. */
export function FindingsView({
  filter,
  group,
  open,
}: {
  readonly filter: FindingFilter;
  readonly group: GroupBy | undefined;
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
          <GroupChooser filter={filter} group={group} />
        </div>
        <FilterBar filter={filter} group={group} />
        <div ref={list} class="findings-list">
          {group === undefined ? (
            <FindingRows found={found} filter={filter} openUid={open?.uid} />
          ) : (
            <FindingGroups filter={filter} by={group} />
          )}
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

function GroupChooser({
  filter,
  group,
}: {
  readonly filter: FindingFilter;
  readonly group: GroupBy | undefined;
}): JSX.Element {
  return (
    <label class="filter-select findings-group">
      Group by
      <select
        value={group ?? ''}
        onChange={(event) =>
          replaceHash(
            findingsHash(
              filter,
              GROUP_BY.find((by) => by === event.currentTarget.value),
            ),
          )
        }
      >
        <option value="">nothing</option>
        {GROUP_BY.map((by) => (
          <option key={by} value={by}>
            {by}
          </option>
        ))}
      </select>
    </label>
  );
}
