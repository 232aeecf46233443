import { manual, pass, unknownBecause } from '../../verdict.ts';
import { daemonCheck, securityOption, unseenReason } from './setting.ts';

const EXPECTED = 'name=rootless, or a user id other than 0';

export const rootless = daemonCheck({
  id: 'daemon.rootless',
  title: 'The daemon runs without root where that is possible',
  severity: 'low',
  rationale:
    'A flaw in a daemon that runs as root gives away the node; in a rootless one it gives away one account. Rootless mode has limits of its own, so somebody must weigh it.',
  remediation:
    'Try dockerd-rootless-setuptool.sh install for an account of its own, and move the containers that work there.',
  reference: 'https://docs.docker.com/engine/security/rootless/',
  judge: ({ api, process }) => {
    const evidence = [];
    if (process.state === 'seen') {
      const { pid, uid } = process.value;
      evidence.push({ source: `/proc/${String(pid)}/status`, seen: `Uid: ${String(uid)}`, expected: EXPECTED });
      if (uid !== 0) return pass(...evidence);
    }
    if (api.state === 'seen') {
      const found = securityOption(api.value, 'rootless') !== undefined;
      const seen = found ? 'name=rootless' : 'no name=rootless';
      evidence.push({ source: 'GET /info SecurityOptions', seen, expected: EXPECTED });
      if (found) return pass(...evidence);
    } else if (evidence.length === 0) return unknownBecause(unseenReason(api));
    return manual('decide whether this node could do with a rootless daemon', ...evidence);
  },
});
