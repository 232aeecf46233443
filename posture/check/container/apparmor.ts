import type { ContainerFact } from '../../fact/container.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { labelNotSeen, unlessActive } from '../security-module.ts';

const EXPECTED = 'a profile in enforce mode';

export const apparmor = containerCheck({
  id: 'container.apparmor',
  title: 'AppArmor confines every container',
  severity: 'high',
  rationale:
    'A profile keeps even root in the container from mounting file systems and from writing to the parts of /proc and /sys that reach the kernel. Unconfined or in complain mode it stops nothing.',
  remediation:
    'Start the container without --security-opt apparmor=unconfined and without --privileged; switch a profile in complain mode to enforce with aa-enforce.',
  references: [
    'https://docs.docker.com/engine/security/apparmor/',
    'https://docs.kernel.org/admin-guide/LSM/apparmor.html',
  ],
  judges: 'container',
  needs: ['kernel'],
  judge: (container, { kernel }) =>
    unlessActive({ name: 'AppArmor', inList: 'apparmor' }, kernel.lsm, kernel.apparmor) ?? judgeProfile(container),
});

function judgeProfile(container: ContainerFact): Judgement {
  const { lsmLabel } = container;
  const profile = container.declared.apparmorProfile;
  const declared: Evidence = {
    source: 'inspect AppArmorProfile',
    seen: profile === '' ? 'none' : quote(profile),
    expected: EXPECTED,
  };
  if (lsmLabel.state !== 'seen')
    return profile === 'unconfined' ? fail(declared) : labelNotSeen(container, lsmLabel, declared);
  const evidence = [{ source: lsmLabel.source, seen: quote(lsmLabel.value), expected: EXPECTED }, declared];
  if (lsmLabel.value === 'unconfined') return fail(...evidence);
  // `docker-default (enforce)`: the profile and its mode, apparmor(7).
  const mode = / \(([a-z]+)\)$/.exec(lsmLabel.value)?.[1];
  if (mode === undefined) return unknownBecause(`${lsmLabel.source} holds no AppArmor label`, ...evidence);
  return mode === 'enforce' || mode === 'kill' ? pass(...evidence) : fail(...evidence);
}
