import { commandsOf, judgeSteps, wordsOf } from '../build-step.ts';
import { imageCheck } from '../check.ts';

/** Words that switch off the signature check of apt, dnf and yum, zypper and apk. */
const SWITCHED_OFF = [
  '--allow-unauthenticated',
  '--allow-insecure-repositories',
  '--force-yes',
  'AllowUnauthenticated=true',
  'AllowInsecureRepositories=true',
  'trusted=yes',
  '--nogpgcheck',
  '--no-gpgcheck',
  '--no-gpg-checks',
  'gpgcheck=0',
  '--allow-untrusted',
];

export const packageSignatures = imageCheck({
  id: 'image.package-signatures',
  title: 'No build step installs packages without checking their signature',
  severity: 'medium',
  rationale:
    'Without the check, whoever answers for the mirror or sits on the way to it chooses the programs that the image contains.',
  remediation:
    'Add the key of the repository in the build and leave the check on; do not use --allow-unauthenticated, --nogpgcheck, --allow-untrusted or trusted=yes.',
  references: ['https://wiki.debian.org/SecureApt', 'https://dnf.readthedocs.io/en/latest/conf_ref.html'],
  judges: 'image',
  needs: [],
  judge: (image) => judgeSteps(image, 'the signature check left on', switchesOff),
});

function switchesOff(step: string): string | undefined {
  const command = commandsOf(step).find((words) =>
    words.some((word) => SWITCHED_OFF.some((option) => word.toLowerCase().includes(option.toLowerCase()))),
  );
  return command === undefined ? undefined : wordsOf(command);
}
