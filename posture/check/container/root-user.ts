import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact } from '../../fact/container.ts';
import { fail } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen, passOnEveryThread } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { remapEvidence } from '../user-remap.ts';
import { isRootUser } from '../user.ts';

export const rootUser = containerCheck({
  id: 'container.root-user',
  title: 'No process runs as root of the host',
  failTitle: 'A process runs as root of the host',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'Root in a container is root on the host as soon as another protection fails: a mounted file, a capability, a defect in the kernel.',
  remediation:
    'Set USER in the image or start the container with --user 10001:10001. If the program needs root inside, enable user namespace remapping for the daemon. In a pod, set runAsNonRoot and runAsUser, or hostUsers to false.',
  references: [
    'https://docs.docker.com/build/building/best-practices/#user',
    'https://docs.docker.com/engine/security/userns-remap/',
  ],
  judges: 'container',
  ownKernel: 'declared',
  needs: ['docker'],
  engineSettings: ['api'],
  judge: (container, { docker }) => {
    const { user } = container.declared;
    const declared: Evidence = {
      source: sourceOf(container, 'user'),
      seen: user === '' ? 'not set, so root' : quote(user),
      expected: 'a user that is not root',
    };
    const { uids } = container;
    const root = rootContext(container);
    if (root !== undefined)
      return fail('a process has the user id 0 of the host', uidEvidence(root.uids, root.source), declared);
    if (uids.state === 'seen') {
      const kernel = uidEvidence(uids.value, uids.source);
      return passOnEveryThread(container, kernel, ...mappedRoot(container, uids.value[EFFECTIVE] ?? -1), declared);
    }
    return isRootUser(user) && remapEvidence(container, docker) === 'off'
      ? fail('the container is started as root, and the daemon remaps no user ids', declared)
      : notSeen(uids, declared);
  },
});

/** Place of the effective id among the four of `/proc/PID/status`. */
const EFFECTIVE = 1;

/** The first thread that is root or can become root again: any of its four ids is enough. */
function rootContext({ uids, otherContexts }: ContainerFact): { uids: readonly number[]; source: string } | undefined {
  const first = uids.state === 'seen' ? [{ uids: uids.value, source: uids.source }] : [];
  const others = otherContexts.map((context) => ({ uids: context.uids, source: `${context.source}/status` }));
  return [...first, ...others].find((context) => context.uids.includes(0));
}

function uidEvidence(uids: readonly number[], source: string): Evidence {
  const areEqual = uids.every((uid) => uid === uids[0]);
  const seen = areEqual ? String(uids[0]) : `${uids.join(' ')} (real, effective, saved, file system)`;
  return { source, seen: `Uid: ${seen}`, expected: 'no user id 0' };
}

/** The line of the map that makes root inside another user of the host. */
function mappedRoot({ uidMap }: ContainerFact, uid: number): readonly Evidence[] {
  if (uidMap.state !== 'seen') return [];
  const line = uidMap.value.find(({ inside, outside }) => inside === 0 && outside === uid);
  if (line === undefined) return [];
  const seen = `${String(line.inside)} ${String(line.outside)} ${String(line.count)}`;
  return [{ source: uidMap.source, seen, expected: 'root inside is another user on the host' }];
}
