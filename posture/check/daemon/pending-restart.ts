import type { DockerFact } from '../../fact/docker.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { isoTime } from '../evidence-text.ts';
import { differences, saidTwice } from './difference.ts';
import { daemonCheck } from './setting.ts';
import { pendingText, processReason } from './configured-value.ts';

const EXPECTED = 'daemon.json older than the running daemon';

export const pendingRestart = daemonCheck({
  id: 'daemon.pending-restart',
  title: 'The running daemon is the one that is configured',
  severity: 'medium',
  rationale:
    'A daemon.json that was changed but not applied hides what the node will be after its next restart, and makes a hardened file look like a hardened node.',
  remediation:
    'Restart Docker at a time of your choice (systemctl restart docker), after dockerd --validate, or take the change back.',
  reference: 'https://docs.docker.com/engine/daemon/',
  judge: (docker) => {
    const twice = saidTwice(docker);
    const found = [...twice, ...differences(docker)];
    const times = timesOf(docker);
    if (found.length > 0) return fail(...found, ...times);
    const { file, process } = docker;
    if (file.state === 'absent') return notApplicable('there is no daemon.json');
    if (file.state === 'unreadable') return unknownBecause(`${file.source}: ${file.reason}`);
    if (process.state !== 'seen') return unknownBecause(processReason(docker));
    if (process.value.startedAtMs === 0)
      return unknownBecause(`${process.source}: the start time of dockerd could not be worked out`);
    const pending = pendingText(docker);
    if (pending === undefined) return pass(...times);
    return manual('no setting that can be compared differs; restart Docker, or see what was changed', ...times);
  },
});

function timesOf({ file, process }: DockerFact): readonly Evidence[] {
  if (file.state !== 'seen' || process.state !== 'seen' || process.value.startedAtMs === 0) return [];
  const started = isoTime(process.value.startedAtMs);
  return [
    {
      source: file.value.path,
      seen: `modified ${isoTime(file.value.modifiedAtMs)}, dockerd started ${started}`,
      expected: EXPECTED,
    },
  ];
}
