import type { DockerFact } from '../../fact/docker.ts';
import { manual, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { quote } from '../evidence-text.ts';
import { judgeSummary, summaryText } from '../seccomp.ts';
import { START_TOLERANCE_MS } from './configured-value.ts';
import { daemonCheck, fromApi, judgeSetting, securityOption } from './setting.ts';

/** `builtin` since engine 23, `default` before. */
const BUILT_IN: ReadonlySet<string> = new Set(['builtin', 'default']);

export const seccompProfile = daemonCheck({
  id: 'daemon.seccomp-profile',
  title: 'Daemon applies an effective seccomp profile',
  failTitle: 'Daemon applies no effective seccomp profile',
  severity: 'high',
  severityLevels: [
    { severity: 'high', when: 'containers get no filter, or one that allows every dangerous system call' },
    { severity: 'medium', when: 'the profile allows most dangerous system calls' },
  ],
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
    if (profile === '')
      return manual('the daemon does not name its profile: find out what it allows', ...judged.evidence);
    return judgeFile(docker, judged.evidence);
  },
});

/** dockerd reads the file at its start, so a file that is newer says nothing about the running daemon. */
function judgeFile({ seccompFile: file, process }: DockerFact, named: readonly Evidence[]): Judgement {
  if (file.state === 'unreadable') return unknownBecause(`${file.source}: ${file.reason}`, ...named);
  if (file.state === 'absent') return unknownBecause(`${file.source}: the profile does not exist any more`, ...named);
  const { modifiedAtMs, summary } = file.value;
  const evidence = [
    ...named,
    { source: file.source, seen: summaryText(summary), expected: 'a profile that withholds most of them' },
  ];
  if (process.state !== 'seen' || process.value.startedAtMs === 0)
    return unknownBecause('the start time of dockerd is unknown, so the file may not be its profile', ...evidence);
  if (modifiedAtMs > process.value.startedAtMs + START_TOLERANCE_MS)
    return unknownBecause(`${file.source} was modified after dockerd had read it`, ...evidence);
  return judgeSummary(summary, 'the seccomp profile of the daemon', evidence) ?? pass(...evidence);
}
