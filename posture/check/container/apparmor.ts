import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact } from '../../fact/container.ts';
import type { Observed } from '../../observed.ts';
import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { execCommand, labelsOf, passOnEveryThread } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { labelNotSeen, unlessActive } from '../security-module.ts';

const EXPECTED = 'a profile in enforce mode';

export const apparmor = containerCheck({
  id: 'container.apparmor',
  title: 'AppArmor confines every process',
  failTitle: 'AppArmor does not confine every process',
  judgedBy: 'effect',
  severity: 'high',
  severityLevels: [
    { severity: 'high', when: 'a process is not confined' },
    { severity: 'medium', when: 'the processes confine themselves, but docker exec starts others unconfined' },
  ],
  rationale:
    'A profile keeps even root in the container from mounting file systems and from writing to parts of /proc and /sys that control the kernel. An unconfined process, or a profile in complain mode, is not restricted.',
  remediation:
    'Start the container without --security-opt apparmor=unconfined and without --privileged. Switch a profile in complain mode to enforce with aa-enforce. In a pod, set appArmorProfile.type to RuntimeDefault.',
  references: [
    'https://docs.docker.com/engine/security/apparmor/',
    'https://docs.kernel.org/admin-guide/LSM/apparmor.html',
  ],
  judges: 'container',
  ownKernel: 'notApplicable',
  needs: ['kernel'],
  judge: (container, { kernel }) =>
    unlessActive({ name: 'AppArmor', inList: 'apparmor' }, kernel.lsm, kernel.apparmor) ?? judgeProfile(container),
});

function judgeProfile(container: ContainerFact): Judgement {
  const profile = container.declared.apparmorProfile;
  const declared: Evidence = {
    source: sourceOf(container, 'apparmorProfile'),
    seen: profile === '' ? 'none' : quote(profile),
    expected: EXPECTED,
  };
  const judged = allOf(
    'high',
    labelsOf(container).map((label) => judgeLabel(container, label, declared)),
  );
  if (judged.verdict !== 'pass') return judged;
  // `docker exec` does not start a process in a profile that others entered themselves.
  return profile === 'unconfined'
    ? failAs('medium', `${execCommand(container)} starts the next process unconfined`, ...judged.evidence)
    : passOnEveryThread(container, ...judged.evidence);
}

function judgeLabel(container: ContainerFact, label: Observed<string>, declared: Evidence): Judgement {
  if (label.state !== 'seen')
    return declared.seen === 'unconfined'
      ? fail('the container was started without an AppArmor profile', declared)
      : labelNotSeen(container, label, declared);
  const evidence = [{ source: label.source, seen: quote(label.value), expected: EXPECTED }, declared];
  if (label.value === 'unconfined') return fail('a process runs without an AppArmor profile', ...evidence);
  // `docker-default (enforce)`: the profile and its mode, apparmor(7).
  const mode = / \(([a-z]+)\)$/.exec(label.value)?.[1];
  if (mode === undefined) return unknownBecause(`${label.source} does not contain an AppArmor label`, ...evidence);
  return mode === 'enforce' || mode === 'kill'
    ? pass(...evidence)
    : fail(`the AppArmor profile is in ${mode} mode and blocks nothing`, ...evidence);
}
