import { manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { isoTime } from '../evidence-text.ts';
import { kubeletCheck, pendingText } from './setting.ts';

export const pendingRestart = kubeletCheck({
  id: 'kubelet.pending-restart',
  title: 'Running kubelet has read its current configuration',
  failTitle: 'Kubelet runs with an outdated configuration',
  severity: 'low',
  rationale:
    'The kubelet reads its files when it starts. A hardened file that is newer has no effect yet, and a weakened one takes effect at the next restart.',
  remediation: 'Restart the kubelet (systemctl restart kubelet), or revert the change.',
  judge: (kubelet) => {
    const { process, files } = kubelet;
    const [newest] = files.toSorted((one, other) => other.modifiedAtMs - one.modifiedAtMs);
    if (process.state !== 'seen') return unknownBecause(process.source);
    if (newest === undefined) return notApplicable('the kubelet reads no configuration file');
    if (process.value.startedAtMs === 0 || newest.modifiedAtMs === 0)
      return unknownBecause('the start time of the kubelet or the modification time of its files is unknown');
    const evidence = {
      source: newest.path,
      seen: `modified ${isoTime(newest.modifiedAtMs)}, kubelet started ${isoTime(process.value.startedAtMs)}`,
      expected: 'no file newer than the running kubelet',
    };
    // The time says that the file was written, not that its content is another.
    return pendingText(kubelet) === ''
      ? pass(evidence)
      : manual('a file is newer than the running kubelet: restart it if the content changed', evidence);
  },
});
