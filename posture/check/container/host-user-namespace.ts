import { sourceOf } from '../../fact/container.ts';
import { fail, notApplicable, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen, passOnEveryThread } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { leastConfined, namespaceEvidence } from '../namespace.ts';
import { remapEvidence } from '../user-remap.ts';

export const hostUserNamespace = containerCheck({
  id: 'container.host-user-namespace',
  title: 'No process runs in the host user namespace',
  failTitle: 'A process runs in the host user namespace',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'With remapping, root in a container is an unprivileged user of the host. In the user namespace of the host, root in the container is root of the host.',
  remediation: 'Start the container without --userns host. In a pod, set hostUsers to false.',
  references: [
    'https://docs.docker.com/engine/security/userns-remap/',
    'https://man7.org/linux/man-pages/man7/user_namespaces.7.html',
  ],
  judges: 'container',
  ownKernel: 'notApplicable',
  needs: ['docker'],
  engineSettings: ['api'],
  judge: (container, { docker }) => {
    const mode = container.declared.usernsMode;
    const declared: Evidence = {
      source: sourceOf(container, 'usernsMode'),
      seen: mode === '' ? 'nothing asked for' : quote(mode),
      expected: 'not host',
    };
    const first = container.namespaces.user;
    const observed = leastConfined(container, 'user');
    const own = observed.state === 'seen' && !observed.value.host;
    const kernel = observed.state === 'seen' ? [namespaceEvidence(observed, 'user')] : [];
    if (mode === 'host') return fail('the container was started with --userns host', ...kernel, declared);
    // The first process is in another namespace, so the daemon does remap user ids.
    if (!own && observed.state === 'seen' && first.state === 'seen' && !first.value.host)
      return fail(
        'a process of the container is in the user namespace of the host',
        ...kernel,
        namespaceEvidence(first, 'user'),
        declared,
      );
    const remap = remapEvidence(container, docker);
    if (own && remap !== 'off') return passOnEveryThread(container, ...kernel, declared);
    if (remap === undefined) {
      const { api } = docker;
      const reason = api.state === 'unreadable' ? api.reason : 'the daemon did not answer';
      return unknownBecause(`${api.source}: ${reason}, so user id remapping is unknown`, ...kernel);
    }
    if (remap === 'off')
      // All containers share one setting of the daemon. A namespace that a process created does not apply to the next one.
      return notApplicable(
        container.pod === ''
          ? 'the daemon remaps no user ids; daemon.userns-remap judges that'
          : 'its pod asks for no user namespace (hostUsers: false)',
        ...kernel,
        declared,
      );
    return observed.state === 'seen'
      ? fail('the daemon remaps user ids, but not those of this container', ...kernel, remap, declared)
      : notSeen(observed, remap, declared);
  },
});
