import type { ContainerFact, Mount } from '../../fact/container.ts';
import { fail, failAs, pass } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { mountLine } from '../mount.ts';

const EXPECTED = 'private or slave';

/** A container with shared propagation often has it on all mounts; a few show it. */
const MAX_LINES = 4;

export const mountPropagation = containerCheck({
  id: 'container.mount-propagation',
  title: 'No mount of a container propagates to the node',
  severity: 'medium',
  rationale:
    'What a container mounts below a shared mount appears on the node and in other containers as well, where it can cover files that they trust.',
  remediation:
    'Mount with rprivate (the default) or rslave. Storage plugins that must mount for others are the exception to waive.',
  references: [
    'https://docs.docker.com/engine/storage/bind-mounts/#configure-bind-propagation',
    'https://docs.kernel.org/filesystems/sharedsubtree.html',
  ],
  judges: 'container',
  needs: [],
  judge: (container) => {
    const asked = container.declared.mounts.filter(({ propagation }) => /^r?shared$/.test(propagation));
    const declared = asked.slice(0, MAX_LINES).map(({ source, destination, propagation }): Evidence => ({
      source: 'inspect Mounts',
      seen: `${quote(source)} -> ${quote(destination)} ${propagation}`,
      expected: EXPECTED,
    }));
    const { mounts, mountNamespaces } = container;
    const tables = [mounts, ...mountNamespaces.map((other) => other.mounts)];
    const withNode = tables.flatMap((table) => evidenceOf(table, ({ sharedWithNode }) => sharedWithNode));
    if (withNode.length > 0) return fail(...withNode.slice(0, MAX_LINES), ...declared);
    if (asked.length > 0) return fail(...evidenceOf(mounts, isShared).slice(0, MAX_LINES), ...declared);
    const unreadable = tables.find(({ state }) => state === 'unreadable');
    if (unreadable?.state === 'unreadable') return notSeen(unreadable);
    if (mounts.state !== 'seen') return notSeen(mounts);
    const shared = evidenceOf(mounts, isShared).slice(0, MAX_LINES);
    // Nobody asked: an init system or an engine in the container shares its mounts with its own children.
    if (shared.length > 0) return failAs('low', ...shared);
    return pass({ source: mounts.source, seen: 'no shared mount', expected: EXPECTED });
  },
});

const isShared = ({ shared }: Mount): boolean => shared;

function evidenceOf(mounts: ContainerFact['mounts'], matches: (mount: Mount) => boolean): readonly Evidence[] {
  if (mounts.state !== 'seen') return [];
  const { source, value } = mounts;
  return value.filter(matches).map((mount) => ({ source, seen: mountLine(mount), expected: EXPECTED }));
}
