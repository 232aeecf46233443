import type { JSX } from 'preact';
import type { FleetFinding } from '../../api/finding.ts';
import type { FindingFilter } from '../filter.ts';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { Ago } from '../part/time-text.tsx';
import { FindingTag, WaivedTag } from '../part/verdict-tag.tsx';
import { findingHash } from '../route.ts';
import { SUBJECT_LABELS } from '../../api/labels.ts';

/** One finding in a list: a link to its details. */
export function FindingRow({
  finding,
  filter,
  index,
  isActive,
  isOpen,
  onFocus,
}: {
  readonly finding: FleetFinding;
  readonly filter: FindingFilter;
  readonly index: number;
  readonly isActive: boolean;
  readonly isOpen: boolean;
  readonly onFocus: () => void;
}): JSX.Element {
  const { verdict, severity, title, check, subject, nodeName, changedMs, waiver } = finding;
  // In a list of one check its title says nothing: the subject does.
  const isOneCheck = filter.checks.length === 1;
  return (
    <a
      href={findingHash(finding, filter)}
      class="row-link"
      data-row={index}
      tabIndex={isActive ? 0 : -1}
      aria-current={isOpen ? 'true' : undefined}
      onFocus={onFocus}
    >
      <span class="row-tag">
        {waiver === null ? <FindingTag verdict={verdict} severity={severity} /> : <WaivedTag />}
      </span>
      <span class="row-title">{isOneCheck ? <UntrustedText text={subject.name} /> : title}</span>
      <span class="row-where">
        {SUBJECT_LABELS[subject.kind]} {isOneCheck ? null : <UntrustedText text={subject.name} />} on{' '}
        <UntrustedText text={nodeName} />
      </span>
      <span class="row-check">{isOneCheck ? <UntrustedText text={decisive(finding)} /> : check}</span>
      <span class="row-when">
        <Ago atMs={changedMs} />
      </span>
    </a>
  );
}

/** The meaning of the finding, or of a pass the first thing that was read. */
function decisive({ evidence, reason }: FleetFinding): string {
  return reason ?? evidence[0]?.seen ?? '';
}
