import type { ContainerFact } from '../../fact/container.ts';
import type { Observed } from '../../observed.ts';
import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { labelsOf, passOnEveryThread } from '../container-reading.ts';
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
  const profile = container.declared.apparmorProfile;
  const declared: Evidence = {
    source: 'inspect AppArmorProfile',
    seen: profile === '' ? 'none' : quote(profile),
    expected: EXPECTED,
  };
  const judged = allOf(
    'high',
    labelsOf(container).map((label) => judgeLabel(container, label, declared)),
  );
  if (judged.verdict !== 'pass') return judged;
  // What a process entered itself, the next one that is started with `docker exec` is not in.
  return profile === 'unconfined'
    ? failAs('medium', ...judged.evidence)
    : passOnEveryThread(container, ...judged.evidence);
}

function judgeLabel(container: ContainerFact, label: Observed<string>, declared: Evidence): Judgement {
  if (label.state !== 'seen')
    return declared.seen === 'unconfined' ? fail(declared) : labelNotSeen(container, label, declared);
  const evidence = [{ source: label.source, seen: quote(label.value), expected: EXPECTED }, declared];
  if (label.value === 'unconfined') return fail(...evidence);
  // `docker-default (enforce)`: the profile and its mode, apparmor(7).
  const mode = / \(([a-z]+)\)$/.exec(label.value)?.[1];
  if (mode === undefined) return unknownBecause(`${label.source} holds no AppArmor label`, ...evidence);
  return mode === 'enforce' || mode === 'kill' ? pass(...evidence) : fail(...evidence);
}
