import { fail, notApplicable, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen, passOnEveryThread } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { leastConfined, namespaceEvidence } from '../namespace.ts';
import { remapEvidence } from '../user-remap.ts';

export const hostUserNamespace = containerCheck({
  id: 'container.host-user-namespace',
  title: 'No container opts out of user-namespace remapping',
  severity: 'medium',
  rationale:
    'With remapping, root in a container is an ordinary user on the node. A container that asks for the user namespace of the node gives that up: its root is root.',
  remediation: 'Start the container without --userns host.',
  references: [
    'https://docs.docker.com/engine/security/userns-remap/',
    'https://man7.org/linux/man-pages/man7/user_namespaces.7.html',
  ],
  judges: 'container',
  needs: ['docker'],
  judge: (container, { docker }) => {
    const mode = container.declared.usernsMode;
    const declared: Evidence = {
      source: 'inspect HostConfig.UsernsMode',
      seen: mode === '' ? 'nothing asked for' : quote(mode),
      expected: 'not host',
    };
    const first = container.namespaces.user;
    const observed = leastConfined(container, 'user');
    const own = observed.state === 'seen' && !observed.value.host;
    const kernel = observed.state === 'seen' ? [namespaceEvidence(observed, 'user')] : [];
    if (mode === 'host') return fail(...kernel, declared);
    // The first process is in another one: it is not that the node has no remapping.
    if (!own && observed.state === 'seen' && first.state === 'seen' && !first.value.host)
      return fail(...kernel, namespaceEvidence(first, 'user'), declared);
    const remap = remapEvidence(docker);
    if (own && remap !== 'off') return passOnEveryThread(container, ...kernel, declared);
    if (remap === undefined) {
      const { api } = docker;
      const reason = api.state === 'unreadable' ? api.reason : 'the daemon did not answer';
      return unknownBecause(`${api.source}: ${reason}, so it is not known whether user ids are remapped`, ...kernel);
    }
    if (remap === 'off')
      // Then all containers share it, which is one setting of the daemon and not a fault of each container. What a process
      // made for itself is not what the next one is started in.
      return notApplicable('the daemon remaps no user ids; daemon.userns-remap judges that', ...kernel, declared);
    return observed.state === 'seen' ? fail(...kernel, remap, declared) : notSeen(observed, remap, declared);
  },
});
