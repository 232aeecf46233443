import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact, Mount } from '../../fact/container.ts';
import { fail, failAs, pass } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { mountLine } from '../mount.ts';

const EXPECTED = 'private or slave';

/** A container with shared propagation often has it on all mounts; a few prove it. */
const MAX_LINES = 4;

export const mountPropagation = containerCheck({
  id: 'container.mount-propagation',
  title: 'No mount uses shared propagation',
  failTitle: 'Container has shared mount propagation',
  judgedBy: 'effect',
  severity: 'medium',
  severityLevels: [
    { severity: 'medium', when: 'a mount propagates to the host or was declared shared' },
    { severity: 'low', when: 'mounts are shared inside the container only' },
  ],
  rationale:
    'What a container mounts below a shared mount appears on the host and in other containers, where it can cover files that they trust.',
  remediation:
    'Mount with rprivate (the default) or rslave. Waive the finding for storage plugins that must mount for others.',
  references: [
    'https://docs.docker.com/engine/storage/bind-mounts/#configure-bind-propagation',
    'https://docs.kernel.org/filesystems/sharedsubtree.html',
  ],
  judges: 'container',
  ownKernel: 'declared',
  needs: [],
  judge: (container) => {
    const asked = container.declared.mounts.filter(({ propagation }) => /^r?shared$/.test(propagation));
    const declared = asked.slice(0, MAX_LINES).map(({ source, destination, propagation }): Evidence => ({
      source: sourceOf(container, 'mounts'),
      seen: `${quote(source)} -> ${quote(destination)} ${propagation}`,
      expected: EXPECTED,
    }));
    const { mounts, mountNamespaces } = container;
    const tables = [mounts, ...mountNamespaces.map((other) => other.mounts)];
    const withHost = tables.flatMap((table) => evidenceOf(table, ({ sharedWithNode }) => sharedWithNode));
    if (withHost.length > 0)
      return fail('mounts of the container propagate to the host', ...withHost.slice(0, MAX_LINES), ...declared);
    if (asked.length > 0)
      return fail(
        'a mount was declared with shared propagation',
        ...evidenceOf(mounts, isShared).slice(0, MAX_LINES),
        ...declared,
      );
    const unreadable = tables.find(({ state }) => state === 'unreadable');
    if (unreadable?.state === 'unreadable') return notSeen(unreadable);
    if (mounts.state !== 'seen') return notSeen(mounts);
    const shared = evidenceOf(mounts, isShared).slice(0, MAX_LINES);
    // Not declared: an init system or an engine in the container shares its mounts with its children.
    if (shared.length > 0) return failAs('low', 'processes of the container share mounts with each other', ...shared);
    return pass({ source: mounts.source, seen: 'no shared mount', expected: EXPECTED });
  },
});

const isShared = ({ shared }: Mount): boolean => shared;

function evidenceOf(mounts: ContainerFact['mounts'], matches: (mount: Mount) => boolean): readonly Evidence[] {
  if (mounts.state !== 'seen') return [];
  const { source, value } = mounts;
  return value.filter(matches).map((mount) => ({ source, seen: mountLine(mount), expected: EXPECTED }));
}
