import type { JSX } from 'preact';
import { findingGroups } from '../../api/finding.ts';
import type { FindingGroup, GroupBy } from '../../api/finding.ts';
import { writeFilter } from '../filter.ts';
import type { FindingFilter } from '../filter.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { VERDICT_LABELS } from '../../api/labels.ts';
import { DataTable } from '../part/data-table.tsx';
import { FailureBar } from '../part/failure-bar.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { VerdictMark } from '../part/verdict-tag.tsx';
import { checkHash, containerHash, findingsHash, imageHash, nodeHash } from '../route.ts';
import { useServices } from '../services.ts';
import { count } from '../../api/format.ts';

const RELOAD_EVERY_MS = 3000;

/** The findings that match, counted by check, node, container or image; worst first. */
export function FindingGroups({ filter, by }: { readonly filter: FindingFilter; readonly by: GroupBy }): JSX.Element {
  const { api } = useServices();
  const query = `by=${by}&${writeFilter(filter)}`;
  const { value, problem, reload } = useLoad(`groups ${query}`, (signal) =>
    api.get(`/v1/findings/groups?${query}`, findingGroups, signal),
  );
  useReloadOn(({ type }) => type === 'finding', reload, RELOAD_EVERY_MS);
  if (problem !== undefined) return <ProblemNote problem={problem} onRetry={reload} />;
  if (value === undefined) return <LoadingNote what="the groups" />;
  if (value.groups.length === 0) return <EmptyNote>No finding matches these filters.</EmptyNote>;
  const hasNode = by === 'container';
  return (
    <div class="groups">
      <DataTable
        label={`Findings by ${by}`}
        columns={[by, ...(hasNode ? ['node'] : []), 'failures', 'unknown', 'manual', 'findings']}
        rows={value.groups.map((group) => ({ key: keyOf(group), cells: cellsOf(group, filter) }))}
      />
      {value.more ? <EmptyNote>There are more groups: narrow the filter.</EmptyNote> : null}
    </div>
  );
}

function keyOf({ check, nodeId, subject, image }: FindingGroup): string {
  return [check, nodeId, subject?.id, image?.id].join('\n');
}

function cellsOf(group: FindingGroup, filter: FindingFilter): readonly (string | JSX.Element | null)[] {
  const { check, nodeId, nodeName, subject, image, counts } = group;
  const { verdicts, failures } = counts;
  const total = Object.values(verdicts).reduce((sum, value) => sum + value, 0);
  const link = (href: string, text: string): JSX.Element => (
    <a href={href}>
      <UntrustedText text={text} />
    </a>
  );
  const node = nodeId === null ? [] : [link(nodeHash(nodeId), nodeName ?? nodeId)];
  const head =
    check !== null
      ? [link(checkHash(check), check)]
      : image !== null
        ? [link(imageHash(image.id), image.name === '' ? image.id : image.name)]
        : subject !== null && nodeId !== null
          ? [link(containerHash(nodeId, subject.id), subject.name), ...node]
          : node;
  const narrowed = {
    ...filter,
    ...(check === null ? {} : { checks: [check] }),
    ...(nodeId === null ? {} : { nodes: [nodeId] }),
    ...(subject === null ? {} : { kinds: [subject.kind], subject: subject.id }),
  };
  return [
    ...head,
    <FailureBar key="failures" failures={failures} />,
    <Count key="unknown" verdict="unknown" value={verdicts.unknown} />,
    <Count key="manual" verdict="manual" value={verdicts.manual} />,
    image === null ? link(findingsHash(narrowed), count(total)) : count(total),
  ];
}

function Count({ verdict, value }: { readonly verdict: 'unknown' | 'manual'; readonly value: number }): JSX.Element {
  if (value === 0) return <span class="muted">–</span>;
  return (
    <span class={`ver-${verdict}`}>
      <VerdictMark verdict={verdict} /> {count(value)}
      <span class="visually-hidden"> {VERDICT_LABELS[verdict]}</span>
    </span>
  );
}
