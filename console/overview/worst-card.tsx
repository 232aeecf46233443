import type { JSX } from 'preact';
import { findingPage } from '../../api/finding.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { FindingTag } from '../part/verdict-tag.tsx';
import { findingHash, findingsHash } from '../route.ts';
import { useServices } from '../services.ts';
import { count } from '../../api/format.ts';
import { SUBJECT_LABELS } from '../../api/labels.ts';
import { worstGroups } from './worst-groups.ts';
import type { WorstGroup } from './worst-groups.ts';

/** Failures that are read: where many fail one check, those of the next come late. */
const READ = 400;
const SHOWN = 8;
const NAMED = 3;
const RELOAD_EVERY_MS = 4000;

/** The worst failures of the fleet, those of one check together. */
export function WorstCard(): JSX.Element {
  const { api } = useServices();
  const loaded = useLoad('worst', (signal) =>
    api.get(`/v1/findings?verdict=fail&state=open&limit=${String(READ)}`, findingPage, signal),
  );
  useReloadOn(({ type }) => type === 'finding', loaded.reload, RELOAD_EVERY_MS);
  const { value, problem } = loaded;
  const groups = value === undefined ? [] : worstGroups(value, SHOWN);
  return (
    <Card
      className="card-worst"
      title="Worst findings"
      aside={<a href={findingsHash({ verdicts: ['fail'] })}>All failures</a>}
    >
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={loaded.reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="findings" /> : null}
      {value !== undefined && groups.length === 0 ? <EmptyNote>Nothing fails.</EmptyNote> : null}
      <ol class="worst">
        {groups.map((group) => (
          <li key={`${group.first.severity} ${group.first.check}`}>
            <Worst group={group} />
          </li>
        ))}
      </ol>
    </Card>
  );
}

function Worst({ group }: { readonly group: WorstGroup }): JSX.Element {
  const { first, findings, isWhole } = group;
  const { verdict, severity, check, title, subject } = first;
  const isOne = findings.length === 1 && isWhole;
  const list = { verdicts: [verdict], severities: [severity], checks: [check] };
  return (
    <a href={isOne ? findingHash(first, list) : findingsHash(list)}>
      <FindingTag verdict={verdict} severity={severity} />
      <span class="worst-title">{title}</span>
      <span class="worst-where">
        {isOne ? '' : `${count(findings.length)}${isWhole ? '' : ' or more'}: `}
        {isOne ? `${SUBJECT_LABELS[subject.kind]} ` : null}
        {findings.slice(0, NAMED).map(({ uid, subject, nodeName }, index) => (
          <span key={uid}>
            {index === 0 ? '' : ', '}
            <UntrustedText text={subject.name} /> on <UntrustedText text={nodeName} />
          </span>
        ))}
        {findings.length > NAMED ? ' …' : null}
      </span>
    </a>
  );
}
