import type { JSX } from 'preact';
import { withQuery } from '../../api/client.ts';
import { detectionList } from '../../api/detection.ts';
import type { DetectionInfo } from '../../api/detection.ts';
import { count, counted, dateTime } from '../../api/format.ts';
import { findingId } from '../../posture/finding.ts';
import { useLoad } from '../hook/use-load.ts';
import { FactList } from '../node/fact-list.tsx';
import type { FactRow } from '../node/node-facts.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { SeverityTag } from '../part/severity-tag.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { detectionsHash, findingHash, nodeHash } from '../route.ts';
import { useServices } from '../services.ts';
import { AttackLink } from './attack-link.tsx';

/** One detection with its evidence. */
export function DetectionView({ detectionId }: { readonly detectionId: string }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(`detection ${detectionId}`, (signal) =>
    api.get(withQuery('/v1/detections', { id: [detectionId] }), detectionList, signal),
  );
  const detection = value?.detections[0];
  return (
    <>
      <p class="crumbs">
        <a href={detectionsHash()}>Detections</a> / detection
      </p>
      <div class="title-line">
        <h1 tabIndex={-1}>
          <UntrustedText text={detection?.title ?? detectionId} />
        </h1>
        {detection === undefined ? null : <SeverityTag severity={detection.severity} />}
      </div>
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the detection" /> : null}
      {value !== undefined && detection === undefined ? (
        <EmptyNote>No detection has this id. It can be older than the retention period.</EmptyNote>
      ) : null}
      {detection === undefined ? null : <Detection detection={detection} />}
    </>
  );
}

function Detection({ detection }: { readonly detection: DetectionInfo }): JSX.Element {
  const { evidence, reason, check, subject, findingUid, nodeId } = detection;
  const finding = { uid: findingUid, nodeId, id: findingId(check, subject) };
  return (
    <>
      <Card title="Evidence" aside={counted(evidence.length, 'observation')}>
        <p>
          <UntrustedText text={reason} />
        </p>
        {evidence.length === 0 ? null : (
          <DataTable
            label="Evidence: what is new"
            columns={['Source', 'Actual', 'Expected']}
            rows={evidence.map(({ source, seen, expected }, index) => ({
              key: String(index),
              cells: [source, seen, expected],
            }))}
          />
        )}
      </Card>
      <Card title="Detection">
        <FactList rows={rowsOf(detection)} />
        <p>
          <a href={nodeHash(nodeId)}>Node</a>
          {findingUid === '' || check === '' ? null : (
            <>
              {' · '}
              <a href={findingHash(finding)}>Finding as it is now</a>
            </>
          )}
          {' · ATT&CK '}
          <AttackLink {...detection} />
        </p>
      </Card>
    </>
  );
}

function rowsOf(detection: DetectionInfo): readonly FactRow[] {
  const { rule, atMs, nodeId, nodeName, subject, technique, techniqueName, tactic, suppressed } = detection;
  const row = (name: string, value: string): FactRow => ({ name, value, weakness: '' });
  return [
    row('id', detection.id),
    row('detected', dateTime(atMs)),
    row('node', `${nodeName} (${nodeId})`),
    row('subject', `${subject.kind} ${subject.name} (${subject.id})`),
    row('rule', rule),
    ...(technique === '' ? [] : [row('MITRE ATT&CK', `${technique} ${techniqueName}, for ${tactic}`)]),
    ...(suppressed === 0
      ? []
      : [row('not listed', `${count(suppressed)} more of this rule before it: there were too many`)]),
  ];
}
