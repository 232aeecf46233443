import type { ContainerFact } from '../../fact/container.ts';
import type { DockerFact } from '../../fact/docker.ts';
import { fail, pass } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { isRootUser } from '../user.ts';

export const rootUser = containerCheck({
  id: 'container.root-user',
  title: 'The first process of a container is not root on the node',
  severity: 'high',
  rationale:
    'Root in a container is root on the node as soon as anything else gives way: a mounted file, a capability, a fault in the kernel. An ordinary user still has all of that ahead.',
  remediation:
    'Set USER in the image or start the container with --user 10001:10001; where the program needs root inside, turn on user-namespace remapping for the daemon.',
  references: [
    'https://docs.docker.com/build/building/best-practices/#user',
    'https://docs.docker.com/engine/security/userns-remap/',
  ],
  judges: 'container',
  needs: ['docker'],
  judge: (container, { docker }) => {
    const { user } = container.declared;
    const declared: Evidence = {
      source: 'inspect Config.User',
      seen: user === '' ? 'not set, so root' : quote(user),
      expected: 'a user that is not root',
    };
    const { uid } = container;
    if (uid.state === 'seen') {
      const seen = `Uid: ${String(uid.value)}`;
      const kernel = { source: uid.source, seen, expected: 'an effective user id other than 0' };
      if (uid.value === 0) return fail(kernel, declared);
      return pass(kernel, ...mappedRoot(container, uid.value), declared);
    }
    return isRootUser(user) && isWithoutRemap(docker) ? fail(declared) : notSeen(uid, declared);
  },
});

/** Where the user is root inside and the map makes it another one on the node: the line of the map. */
function mappedRoot({ uidMap }: ContainerFact, uid: number): readonly Evidence[] {
  if (uidMap.state !== 'seen') return [];
  const line = uidMap.value.find(({ inside, outside }) => inside === 0 && outside === uid);
  if (line === undefined) return [];
  const seen = `${String(line.inside)} ${String(line.outside)} ${String(line.count)}`;
  return [{ source: uidMap.source, seen, expected: 'root inside is another user on the node' }];
}

function isWithoutRemap({ api }: DockerFact): boolean {
  if (api.state !== 'seen') return false;
  return !api.value.securityOptions.some(({ name }) => name === 'userns' || name === 'rootless');
}
