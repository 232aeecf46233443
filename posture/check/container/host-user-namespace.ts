import type { DockerFact } from '../../fact/docker.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { namespaceEvidence } from '../namespace.ts';

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
    const observed = container.namespaces.user;
    const own = observed.state === 'seen' && !observed.value.host;
    const kernel = observed.state === 'seen' ? [namespaceEvidence(observed, 'user')] : [];
    if (mode === 'host') return fail(...kernel, declared);
    if (own) return pass(...kernel, declared);
    const remap = remapEvidence(docker);
    if (remap === undefined) {
      const { api } = docker;
      const reason = api.state === 'unreadable' ? api.reason : 'the daemon did not answer';
      return unknownBecause(`${api.source}: ${reason}, so it is not known whether user ids are remapped`, ...kernel);
    }
    if (remap === 'off')
      // Then all containers share it, which is one setting of the daemon and not a fault of each container.
      return notApplicable('the daemon remaps no user ids; daemon.userns-remap judges that', declared);
    return observed.state === 'seen' ? fail(...kernel, remap, declared) : notSeen(observed, remap, declared);
  },
});

/** How the daemon says that it remaps user ids; `off` where it does not, undefined where it could not be asked. */
function remapEvidence({ api }: DockerFact): Evidence | 'off' | undefined {
  if (api.state !== 'seen') return undefined;
  const option = api.value.securityOptions.find(({ name }) => name === 'userns' || name === 'rootless');
  if (option === undefined) return 'off';
  return {
    source: 'GET /info SecurityOptions',
    seen: `name=${option.name}`,
    expected: 'each container in a user namespace that is not the one of pid 1',
  };
}
