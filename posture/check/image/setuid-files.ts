import type { SetuidFilesFact } from '../../fact/image.ts';
import { fail, manual, pass, unknownBecause } from '../../verdict.ts';
import { imageCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { parameterized } from '../parameter.ts';

/** Files that the evidence names. */
const MAX_NAMED = 8;
/**
 * Setuid and setgid programs that the base systems of Debian, Ubuntu, Alpine, Fedora and their kin install: accounts,
 * passwords, mounts and messages to terminals.
 */
const PROGRAMS: ReadonlySet<string> = new Set([
  'bbsuid',
  'chage',
  'chfn',
  'chsh',
  'expiry',
  'gpasswd',
  'grub2-set-bootflag',
  'mount',
  'newgrp',
  'pam_extrausers_chk',
  'pam_timestamp_check',
  'passwd',
  'ssh-agent',
  'su',
  'umount',
  'unix2_chkpwd',
  'unix_chkpwd',
  'wall',
  'write',
  'write.ul',
]);
/** Helpers of packages of these distributions, which are never started by hand. */
const HELPERS =
  /^\/usr\/(?:lib|libexec)\/(?:openssh\/ssh-keysign|dbus-1(?:\.0)?\/dbus-daemon-launch-helper|polkit-1\/polkit-agent-helper-1|utempter\/utempter)$/;

export const setuidFiles = parameterized(
  { allowed: { doc: 'paths in the image that may be setuid or setgid, too', default: [] as readonly string[] } },
  ({ allowed }) =>
    imageCheck({
      id: 'image.setuid-files',
      title: 'Only known programs of the image are setuid or setgid',
      failTitle: 'Unexpected setuid or setgid files in the image',
      judgedBy: 'effect',
      severity: 'medium',
      rationale:
        'Such a program runs with the rights of its owner whoever starts it: a mistake in one, or one that was put there, turns any user of the container into root.',
      remediation:
        'Remove the permission in the Dockerfile (RUN chmod a-s PATH) or the file. Run containers with no-new-privileges, which switches the permission off. Name programs that an image needs in the parameter allowed of a profile.',
      references: [
        'https://man7.org/linux/man-pages/man2/execve.2.html',
        'https://docs.kernel.org/userspace-api/no_new_privs.html',
      ],
      judges: 'image',
      needs: [],
      judge: ({ setuidFiles: observed, name }) => {
        if (observed.state === 'unreadable') return unknownBecause(`${observed.source}: ${observed.reason}`);
        if (observed.state === 'absent')
          return manual(
            `the files of the image were not looked at; list them with plimsoll image scan ${quote(name)} -o json`,
          );
        const {
          source,
          value: { files, missing },
        } = observed;
        const expected = 'only programs that base systems install';
        const unexpected = files.filter(({ path }) => !isKnown(path) && !allowed.includes(path));
        if (unexpected.length === 0 && missing !== '')
          return unknownBecause(`there may be others: ${missing}`, { source, seen: describe(files), expected });
        if (unexpected.length === 0) return pass({ source, seen: `setuid or setgid: ${describe(files)}`, expected });
        const evidence = unexpected
          .slice(0, MAX_NAMED)
          .map((file) => ({ source, seen: quote(describeFile(file)), expected }));
        return fail(
          `programs that base systems do not install are setuid or setgid: ${describe(unexpected)}`,
          ...evidence,
        );
      },
    }),
);

type SetuidFile = SetuidFilesFact['files'][number];

function isKnown(path: string): boolean {
  const program = /^(?:\/usr)?\/s?bin\/([^/]+)$/.exec(path)?.[1];
  return program === undefined ? HELPERS.test(path) : PROGRAMS.has(program);
}

function describe(files: readonly SetuidFile[]): string {
  if (files.length === 0) return 'none';
  const further = files.length > MAX_NAMED ? ` and ${String(files.length - MAX_NAMED)} more` : '';
  return `${quote(
    files
      .slice(0, MAX_NAMED)
      .map(({ path }) => path)
      .join(', '),
  )}${further}`;
}

function describeFile({ path, mode }: SetuidFile): string {
  return `${mode.toString(8).padStart(4, '0')} ${path}`;
}
