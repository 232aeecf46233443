import type { KernelFact } from '../../fact/kernel.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';

/** The profiles that runtimes load for containers that ask for none: Docker, containerd and CRI-O. */
const RUNTIME_PROFILES: ReadonlySet<string> = new Set(['docker-default', 'cri-containerd.apparmor.d', 'crio-default']);
/** `kill` enforces and kills the process. */
const ENFORCING: ReadonlySet<string> = new Set(['enforce', 'kill']);
const EXPECTED = "the runtime's default profile loaded, in enforce mode";

export const apparmorProfiles = nodeCheck({
  id: 'kernel.apparmor-profiles',
  title: 'AppArmor profile of the runtime is enforced',
  failTitle: 'AppArmor profile of the runtime is not enforced',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'AppArmor alone protects no container: without the profile of the runtime, or with it in complain mode, containers run unconfined.',
  remediation:
    'Install apparmor (with apparmor_parser) and restart the runtime, which loads its profile. Run aa-enforce on a profile in complain mode.',
  references: ['https://docs.docker.com/engine/security/apparmor/'],
  judges: 'node',
  needs: ['kernel', 'docker'],
  judge: ({ kernel, docker }) => {
    const off = apparmorOff(kernel);
    if (off !== undefined) return off;
    const { apparmorProfiles: profiles } = kernel;
    if (profiles.state === 'unreadable') return unknownBecause(`${profiles.source}: ${profiles.reason}`);
    if (profiles.state === 'absent')
      return unknownBecause(`${profiles.source} does not exist: securityfs may not be mounted`);
    const own = profiles.value.filter(({ name }) => RUNTIME_PROFILES.has(name));
    const evidence = {
      source: profiles.source,
      seen: own.length === 0 ? 'no profile of a container runtime' : quoteList(own.map(written)),
      expected: EXPECTED,
    };
    if (own.length === 0 && docker.present.state === 'absent')
      return notApplicable(
        'no container runtime has loaded a profile, and Docker is not installed on this host',
        evidence,
      );
    return own.length > 0 && own.every(({ mode }) => ENFORCING.has(mode))
      ? pass(evidence)
      : fail(
          own.length === 0
            ? 'no container runtime has loaded its AppArmor profile'
            : 'the AppArmor profile of the container runtime blocks nothing',
          evidence,
        );
  },
});

function apparmorOff({ apparmor }: KernelFact): Judgement | undefined {
  switch (apparmor.state) {
    case 'unreadable':
      return unknownBecause(`${apparmor.source}: ${apparmor.reason}`);
    case 'absent':
      return notApplicable('this kernel has no AppArmor; see kernel.mandatory-access-control');
    case 'seen':
      return apparmor.value ? undefined : notApplicable('AppArmor is off; see kernel.mandatory-access-control');
  }
}

function written(profile: { readonly name: string; readonly mode: string }): string {
  return `${profile.name} (${profile.mode})`;
}
