import type { JSX } from 'preact';
import type { FindingFilter } from '../filter.ts';
import { Card } from '../part/card.tsx';
import { findingsHash } from '../route.ts';
import { FindingRows } from './finding-rows.tsx';
import { useFindingList } from './use-finding-list.ts';

/** The findings that match, on the page of what they are about. `filter` must stay the same object between renders. */
export function FindingsCard({
  title,
  filter,
}: {
  readonly title: string;
  readonly filter: FindingFilter;
}): JSX.Element {
  const found = useFindingList(filter);
  return (
    <Card className="card-list" title={title} aside={<a href={findingsHash(filter)}>{found.count}</a>}>
      <FindingRows found={found} filter={filter} openUid={undefined} />
    </Card>
  );
}
