import type { DockerFact } from '../../fact/docker.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { isoTime } from '../evidence-text.ts';
import { differences, duplicateSettings } from './difference.ts';
import { daemonCheck } from './setting.ts';
import { pendingText, processReason } from './configured-value.ts';

const EXPECTED = 'daemon.json older than the running daemon';

export const pendingRestart = daemonCheck({
  id: 'daemon.pending-restart',
  title: 'Running daemon matches its configuration',
  failTitle: 'Running daemon differs from its configuration',
  severity: 'medium',
  rationale:
    'A daemon.json that was changed but not applied hides how the host will be configured after its next restart: a hardened file is mistaken for a hardened host.',
  remediation: 'Run dockerd --validate, then restart Docker (systemctl restart docker), or revert the change.',
  reference: 'https://docs.docker.com/engine/daemon/',
  judge: (docker) => {
    const twice = duplicateSettings(docker);
    const found = [...twice, ...differences(docker)];
    const times = timesOf(docker);
    if (twice.length > 0)
      return fail('dockerd will not start again: a setting is both a flag and in daemon.json', ...found, ...times);
    if (found.length > 0)
      return fail('settings of the running daemon differ from flags or daemon.json', ...found, ...times);
    const { file, process } = docker;
    if (file.state === 'absent') return notApplicable('daemon.json does not exist');
    if (file.state === 'unreadable') return unknownBecause(`${file.source}: ${file.reason}`);
    if (process.state !== 'seen') return unknownBecause(processReason(docker));
    if (process.value.startedAtMs === 0)
      return unknownBecause(`${process.source}: the start time of dockerd could not be worked out`);
    const pending = pendingText(docker);
    if (pending === undefined) return pass(...times);
    return manual(
      'daemon.json was modified after the start, but no comparable setting differs: restart Docker',
      ...times,
    );
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
