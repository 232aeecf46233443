import { commandsOf, judgeSteps, wordsOf } from '../build-step.ts';
import { imageCheck } from '../check.ts';

/** Options of apt, dnf and yum, zypper, apk and rpm that switch off the signature check. */
const OPTIONS: ReadonlySet<string> = new Set([
  '--allow-unauthenticated',
  '--allow-insecure-repositories',
  '--force-yes',
  '--nogpgcheck',
  '--no-gpgcheck',
  '--no-gpg-check',
  '--no-gpg-checks',
  '--allow-unsigned-rpm',
  '--allow-untrusted',
  '--nosignature',
]);
/** Settings that do the same, as a value of an option or in a file of the package manager. */
const SETTINGS =
  /(?:AllowUnauthenticated|AllowInsecureRepositories|AllowWeakRepositories)[\s"']*[=\s][\s"']*(?:true|1|yes)|trusted\s*=\s*yes|gpgcheck\s*=\s*(?:0|no|false)/i;
const TOOLS =
  /^(?:apt|apt-get|aptitude|add-apt-repository|apt-add-repository|yum|yum-config-manager|dnf|dnf5|microdnf|tdnf|zypper|apk|rpm|debootstrap|mmdebstrap|xargs|nice|timeout|retry|eatmydata)$/;
/** Where the settings of package managers are. */
const FILES = /\/etc\/(?:apt|yum|dnf|zypp|tdnf)|\.repo\b|sources\.list|\/etc\/apk|apt\.conf/;

export const packageSignatures = imageCheck({
  id: 'image.package-signatures',
  title: 'Package signatures are checked in the build',
  failTitle: 'Package signature check is disabled in the build',
  judgedBy: 'configuration',
  severity: 'medium',
  rationale: 'Without the check, an attacker who controls the mirror or the network chooses the programs in the image.',
  remediation:
    'Add the key of the repository in the build and keep the check enabled. Do not use --allow-unauthenticated, --nogpgcheck, --allow-untrusted or trusted=yes.',
  references: ['https://wiki.debian.org/SecureApt', 'https://dnf.readthedocs.io/en/latest/conf_ref.html'],
  judges: 'image',
  needs: [],
  judge: (image) =>
    judgeSteps(image, {
      meaning: 'a build step installs packages without verifying them',
      expected: 'signature check enabled',
      wrong: switchesOff,
    }),
});

function switchesOff(step: string): string | undefined {
  // Text that is only printed switches off nothing; written into a file of a package manager it does.
  const isWritten = FILES.test(step);
  const command = commandsOf(step).find((words) => {
    const isTool = TOOLS.test((words[0] ?? '').replace(/^.*\//s, ''));
    if (isTool && words.some((word) => OPTIONS.has(word.toLowerCase().replace(/=.*$/s, '')))) return true;
    return (isTool || isWritten) && SETTINGS.test(words.join(' '));
  });
  return command === undefined ? undefined : wordsOf(command);
}
