import { manual } from '../../verdict.ts';
import { quote } from '../evidence-text.ts';
import { daemonCheck, fromApi, judgeSetting, securityOption } from './setting.ts';

/** `builtin` since engine 23, `default` before. */
const BUILT_IN: ReadonlySet<string> = new Set(['builtin', 'default']);

export const seccompProfile = daemonCheck({
  id: 'daemon.seccomp-profile',
  title: 'Daemon applies an effective seccomp profile',
  failTitle: 'Daemon applies no effective seccomp profile',
  severity: 'high',
  rationale:
    'Containers without a profile of their own get the profile of the daemon: unconfined here opens all system calls to all of them, and inspect does not show it.',
  remediation:
    'Remove "seccomp-profile" from daemon.json and --seccomp-profile from the flags, restart Docker and recreate the containers (docker run, docker compose up --force-recreate): docker start keeps the profile that a container was created with.',
  reference: 'https://docs.docker.com/engine/security/seccomp/',
  judge: (docker) => {
    const judged = judgeSetting(docker, {
      flag: 'seccomp-profile',
      whenUnset: ['builtin'],
      problem: 'containers without a profile of their own run without a seccomp filter',
      expected: 'name=seccomp,profile=builtin',
      accepts: (values) => values.length > 0 && values.at(-1) !== 'unconfined',
      // No entry at all: the kernel has no seccomp, and no container has a filter.
      live: () =>
        fromApi(
          docker,
          'SecurityOptions',
          (api) => {
            const option = securityOption(api, 'seccomp');
            return option === undefined ? [] : [option.options['profile'] ?? ''];
          },
          ([profile]) => (profile === undefined ? 'no name=seccomp' : quote(`name=seccomp,profile=${profile}`)),
        ),
    });
    if (judged.verdict !== 'pass' || docker.api.state !== 'seen') return judged;
    const profile = securityOption(docker.api.value, 'seccomp')?.options['profile'] ?? '';
    if (BUILT_IN.has(profile)) return judged;
    const reason = profile === '' ? 'the daemon does not name its profile' : 'the daemon uses a custom profile';
    return manual(`${reason}: find out what it allows`, ...judged.evidence);
  },
});
