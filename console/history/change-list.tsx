import type { JSX } from 'preact';
import type { Change } from '../fleet/change.ts';
import { groupChanges } from '../fleet/change-groups.ts';
import type { ChangeGroup, FindingChange } from '../fleet/change-groups.ts';
import { changeLabel, SUBJECT_LABELS } from '../../api/labels.ts';
import { Ago } from '../part/time-text.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { FindingTag, VerdictMark } from '../part/verdict-tag.tsx';
import { findingHash, nodeHash } from '../route.ts';

/** Changes, newest first; those of one subject within seconds are one entry that opens. */
export function ChangeList({
  changes,
  limit = Number.POSITIVE_INFINITY,
}: {
  readonly changes: readonly Change[];
  /** Most entries. */
  readonly limit?: number;
}): JSX.Element {
  return (
    <ol class="changes">
      {groupChanges(changes)
        .slice(0, limit)
        .map((entry) => (
          <li key={entry.key} class={`change change-${toneOf(entry)}`}>
            <Entry entry={entry} />
          </li>
        ))}
    </ol>
  );
}

function Entry({ entry }: { readonly entry: Change | ChangeGroup }): JSX.Element {
  switch (entry.type) {
    case 'finding':
      return <Finding change={entry} />;
    case 'group':
      return <Group group={entry} />;
    case 'node':
      return (
        <a class="change-line" href={nodeHash(entry.nodeId)}>
          <span class="change-head">
            <span class={`fresh-dot fresh-${entry.connected ? 'connected' : 'offline'}`} aria-hidden="true" />
            <strong>node {entry.connected ? 'connected' : 'went offline'}</strong>
            <Ago atMs={entry.atMs} />
          </span>
          <span class="change-where">
            <UntrustedText text={entry.nodeName} />
          </span>
        </a>
      );
  }
}

function toneOf(entry: Change | ChangeGroup): string {
  if (entry.type === 'node') return 'node';
  return entry.type === 'group' ? entry.worst.action : entry.action;
}

function Finding({ change }: { readonly change: FindingChange }): JSX.Element {
  const { check, subjectName, nodeName, nodeId, uid, findingId, atMs } = change;
  const href =
    findingId === undefined ? `#/findings/${encodeURIComponent(uid)}` : findingHash({ uid, nodeId, id: findingId });
  return (
    <a class="change-line" href={href}>
      <span class="change-head">
        <Tag change={change} />
        <strong>{changeLabel(change)}</strong>
        <Ago atMs={atMs} />
      </span>
      <span class="change-what">{check}</span>
      <span class="change-where">
        <UntrustedText text={subjectName} /> on <UntrustedText text={nodeName} />
      </span>
    </a>
  );
}

function Group({ group: { worst, changes, sentence, atMs } }: { readonly group: ChangeGroup }): JSX.Element {
  const { subjectKind, subjectName, nodeName } = worst;
  return (
    <details class="change-group">
      <summary class="change-line">
        <span class="change-head">
          <Tag change={worst} />
          <strong>
            <UntrustedText text={subjectName} />
          </strong>
          <Ago atMs={atMs} />
        </span>
        <span class="change-where">
          {SUBJECT_LABELS[subjectKind]}
          {/^\d/.test(sentence) ? ':' : ''} {sentence}, on <UntrustedText text={nodeName} />
        </span>
      </summary>
      <ol>
        {changes.map((change) => (
          <li key={change.key}>
            <Finding change={change} />
          </li>
        ))}
      </ol>
    </details>
  );
}

function Tag({ change: { action, verdict, severity } }: { readonly change: FindingChange }): JSX.Element {
  return action === 'resolved' ? <VerdictMark verdict="pass" /> : <FindingTag verdict={verdict} severity={severity} />;
}
