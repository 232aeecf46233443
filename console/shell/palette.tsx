import type { JSX, TargetedKeyboardEvent } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { checkList } from '../../api/check.ts';
import { findingGroups } from '../../api/finding.ts';
import { useCell } from '../hook/use-cell.ts';
import { useLoad } from '../hook/use-load.ts';
import { UntrustedText } from '../part/untrusted-text.tsx';
import {
  benchmarksHash,
  checkHash,
  checksHash,
  containerHash,
  deadLettersHash,
  denialsHash,
  detectionsHash,
  exemptionsHash,
  findingsHash,
  fixesHash,
  historyHash,
  imagesHash,
  nodeHash,
  policiesHash,
  queryHash,
  rolloutsHash,
  sinksHash,
  vulnerabilitiesHash,
  waiversHash,
} from '../route.ts';
import { useServices } from '../services.ts';
import { matchingEntries } from './palette-entries.ts';
import type { PaletteEntry } from './palette-entries.ts';

const PLACES: readonly PaletteEntry[] = Object.freeze([
  { kind: 'view', name: 'Overview', detail: '', hash: '#/' },
  { kind: 'view', name: 'Failures', detail: 'findings', hash: findingsHash({ verdicts: ['fail'] }) },
  { kind: 'view', name: 'Findings by check', detail: 'findings', hash: findingsHash({ verdicts: ['fail'] }, 'check') },
  { kind: 'view', name: 'Findings by node', detail: 'findings', hash: findingsHash({ verdicts: ['fail'] }, 'node') },
  {
    kind: 'view',
    name: 'Findings by container',
    detail: 'findings',
    hash: findingsHash({ verdicts: ['fail'] }, 'container'),
  },
  { kind: 'view', name: 'Findings by image', detail: 'findings', hash: findingsHash({ verdicts: ['fail'] }, 'image') },
  { kind: 'view', name: 'Benchmarks', detail: 'results and score', hash: benchmarksHash() },
  { kind: 'view', name: 'Vulnerabilities', detail: 'of running containers', hash: vulnerabilitiesHash() },
  { kind: 'view', name: 'Upgrades', detail: 'of packages in images', hash: fixesHash() },
  { kind: 'view', name: 'Images', detail: 'that run', hash: imagesHash() },
  { kind: 'view', name: 'Policies', detail: 'and what they would do now', hash: policiesHash() },
  { kind: 'view', name: 'Exemptions', detail: 'waivers, namespaces, exceptions', hash: exemptionsHash() },
  { kind: 'view', name: 'Waivers', detail: 'what is accepted, by whom, until when', hash: waiversHash() },
  { kind: 'view', name: 'Denials', detail: 'requests that violated a policy', hash: denialsHash() },
  { kind: 'view', name: 'Rollouts', detail: 'approve, pause, history', hash: rolloutsHash() },
  { kind: 'view', name: 'Detections', detail: 'what changed for the worse', hash: detectionsHash() },
  { kind: 'view', name: 'Sinks', detail: 'delivery of events', hash: sinksHash() },
  { kind: 'view', name: 'Dead letters', detail: 'events that sinks rejected', hash: deadLettersHash() },
  { kind: 'view', name: 'History', detail: '', hash: historyHash() },
  { kind: 'view', name: 'Checks', detail: '', hash: checksHash() },
  { kind: 'view', name: 'Live query', detail: '', hash: queryHash() },
]);

/** Containers that are offered, worst first. */
const MAX_CONTAINERS = 200;

/** Goes to a view, node, container or check by a few letters of its name. Mounted only while it is open. */
export function Palette({ onClose }: { readonly onClose: () => void }): JSX.Element {
  const { api, fleet } = useServices();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const checks = useLoad('checks', (signal) => api.get('/v1/checks', checkList, signal));
  const containers = useLoad('palette containers', (signal) =>
    api.get(`/v1/findings/groups?by=container&limit=${String(MAX_CONTAINERS)}`, findingGroups, signal),
  );
  const { nodes } = useCell(fleet);
  useEffect(() => dialog.current?.showModal(), []);
  const entries = matchingEntries(
    [
      ...PLACES,
      ...nodes.map(({ id, name }) => ({ kind: 'node', name, detail: '', hash: nodeHash(id) })),
      ...(containers.value?.groups ?? []).map(({ nodeId, nodeName, subject }) => ({
        kind: 'container',
        name: subject?.name ?? '',
        detail: `on ${nodeName ?? ''}`,
        hash: containerHash(nodeId ?? '', subject?.id ?? ''),
      })),
      ...(checks.value?.checks ?? []).map((check) => ({
        kind: 'check',
        name: check.id,
        detail: check.title,
        hash: checkHash(check.id),
      })),
    ],
    text,
  );
  const chosen = Math.min(active, entries.length - 1);
  const open = (entry: PaletteEntry | undefined): void => {
    if (entry === undefined) return;
    location.hash = entry.hash;
    onClose();
  };
  const onKey = (event: TargetedKeyboardEvent<HTMLInputElement>): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) setActive((chosen + step + entries.length) % Math.max(1, entries.length));
    else if (event.key === 'Enter') open(entries[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog ref={dialog} class="question palette" aria-label="Go to" onClose={onClose}>
      <input
        role="combobox"
        aria-label="Go to a view, node, container or check"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={entries.length === 0 ? undefined : `${id}-${String(chosen)}`}
        placeholder="Go to a view, node, container or check"
        maxLength={256}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setActive(0);
        }}
        onKeyDown={onKey}
      />
      <ul id={`${id}-list`} role="listbox" aria-label="Matches" class="palette-list">
        {entries.map((entry, index) => (
          <li
            key={entry.hash}
            id={`${id}-${String(index)}`}
            role="option"
            aria-selected={index === chosen}
            onMouseDown={(event) => {
              event.preventDefault();
              open(entry);
            }}
          >
            <span class="palette-kind">{entry.kind}</span> <UntrustedText text={entry.name} />{' '}
            <span class="palette-detail">
              <UntrustedText text={entry.detail} />
            </span>
          </li>
        ))}
      </ul>
      <p class="hint" role="status">
        {entries.length === 0 ? 'No match.' : ''}
      </p>
    </dialog>
  );
}
