import type { JSX } from 'preact';
import { withQuery } from '../../api/client.ts';
import { DETECTION_RULE_IDS, DETECTION_TITLES, detectionList } from '../../api/detection.ts';
import type { DetectionInfo } from '../../api/detection.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { usePages } from '../hook/use-pages.ts';
import { DataTable } from '../part/data-table.tsx';
import { NodeSelect } from '../part/node-select.tsx';
import { PagedCard } from '../part/paged-card.tsx';
import { PeriodChoices } from '../part/period-choices.tsx';
import { SeverityTag } from '../part/severity-tag.tsx';
import { Ago } from '../part/time-text.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { sinceMsOf } from '../period.ts';
import { detectionHash, detectionsHash, nodeHash } from '../route.ts';
import { AttackLink } from './attack-link.tsx';
import { writeDetectionFilter } from './detection-filter.ts';
import type { DetectionFilter } from './detection-filter.ts';
import { EventSections } from './section-links.tsx';

/** Detections that are read at a time. */
const PAGE = 100;
/** How often the newest are read again: the collector sends no events of them to the page. */
const REFRESH_MS = 15_000;

/** What changed for the worse as it happened, newest first. */
export function DetectionsView({ filter }: { readonly filter: DetectionFilter }): JSX.Element {
  return (
    <>
      <h1 tabIndex={-1}>Detections</h1>
      <EventSections current="Detections" />
      <p class="muted">
        Changes that someone should look at, as they happened. What a node had when it was first seen is not a
        detection.
      </p>
      <Filters filter={filter} />
      <DetectionList key={writeDetectionFilter(filter)} filter={filter} />
    </>
  );
}

function Filters({ filter }: { readonly filter: DetectionFilter }): JSX.Element {
  const apply = (change: Partial<DetectionFilter>): void => replaceHash(detectionsHash({ ...filter, ...change }));
  return (
    <div class="filters" role="search" aria-label="Detections">
      <div class="filter-groups">
        <label class="filter-select">
          What
          <select
            value={filter.rule}
            onChange={({ currentTarget: { value } }) =>
              apply({ rule: DETECTION_RULE_IDS.find((id) => id === value) ?? '' })
            }
          >
            <option value="">all rules</option>
            {DETECTION_RULE_IDS.map((id) => (
              <option key={id} value={id}>
                {DETECTION_TITLES[id]}
              </option>
            ))}
          </select>
        </label>
        <NodeSelect nodeId={filter.nodeId} onSelect={(nodeId) => apply({ nodeId })} />
        <PeriodChoices chosen={filter.since} onChosen={(since) => apply({ since })} />
      </div>
    </div>
  );
}

function DetectionList({ filter }: { readonly filter: DetectionFilter }): JSX.Element {
  const { rule, nodeId, since } = filter;
  const written = writeDetectionFilter(filter);
  const pages = usePages(
    `detections ${written}`,
    {
      pathOf: (cursor) =>
        withQuery('/v1/detections', {
          limit: PAGE,
          rule: rule === '' ? undefined : rule,
          node: nodeId === '' ? undefined : nodeId,
          sinceMs: sinceMsOf(since),
          cursor,
        }),
      schema: detectionList,
      itemsOf: ({ detections }) => detections,
      idOf: ({ id }) => id,
    },
    REFRESH_MS,
  );
  return (
    <PagedCard
      pages={pages}
      one="detection"
      empty={
        written === '' ? 'Nothing was detected within the retention period.' : 'No detection matches these filters.'
      }
    >
      {(detections, label) => <DetectionTable detections={detections} label={label} />}
    </PagedCard>
  );
}

function DetectionTable({
  detections,
  label,
}: {
  readonly detections: readonly DetectionInfo[];
  readonly label: string;
}): JSX.Element {
  return (
    <DataTable
      label={label}
      columns={['What', 'Severity', 'When', 'Node', 'Subject', 'Why', 'ATT&CK']}
      rows={detections.map((detection) => {
        const { id, title, severity, atMs, nodeId, nodeName, subject, reason } = detection;
        return {
          key: id,
          cells: [
            <a href={detectionHash(id)}>
              <UntrustedText text={title} />
            </a>,
            <SeverityTag severity={severity} />,
            <Ago atMs={atMs} />,
            <a href={nodeHash(nodeId)}>
              <UntrustedText text={nodeName} />
            </a>,
            subject.kind === 'node' ? null : `${subject.kind} ${subject.name || subject.id}`,
            <span class="cell-text">
              <UntrustedText text={reason} />
            </span>,
            <AttackLink {...detection} />,
          ],
        };
      })}
    />
  );
}
