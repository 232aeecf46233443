import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { NO_FILTER } from '../filter.ts';
import { FindingRows } from '../findings/finding-rows.tsx';
import { useFindingList } from '../findings/use-finding-list.ts';
import { Card } from '../part/card.tsx';
import { findingsHash } from '../route.ts';

/** What fails on a node. */
export function NodeFindingsCard({ nodeId }: { readonly nodeId: string }): JSX.Element {
  const filter = useMemo(() => ({ ...NO_FILTER, nodes: [nodeId], verdicts: ['fail' as const] }), [nodeId]);
  const found = useFindingList(filter);
  return (
    <Card className="card-list" title="Failures on this node" aside={<a href={findingsHash(filter)}>{found.count}</a>}>
      <FindingRows found={found} filter={filter} openUid={undefined} />
    </Card>
  );
}
