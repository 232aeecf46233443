import type { JSX } from 'preact';
import type { DetectionInfo } from '../../api/detection.ts';

/** The technique of MITRE ATT&CK with a link to its page; a dash for a rule of another version. */
export function AttackLink({
  technique,
  techniqueName,
}: Pick<DetectionInfo, 'technique' | 'techniqueName'>): JSX.Element {
  // The id becomes a part of a URL: T1098.004 is at techniques/T1098/004.
  const [, id, sub] = /^(T\d{4})(?:\.(\d{3}))?$/.exec(technique) ?? [];
  if (id === undefined) return <span class="muted">–</span>;
  const path = sub === undefined ? id : `${id}/${sub}`;
  return (
    <a
      href={`https://attack.mitre.org/techniques/${path}/`}
      title={techniqueName}
      rel="noopener noreferrer"
      target="_blank"
    >
      {technique}
    </a>
  );
}
