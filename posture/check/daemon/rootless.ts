import { manual, pass, unknownBecause } from '../../verdict.ts';
import { daemonCheck, securityOption, unseenReason } from './setting.ts';

const EXPECTED = 'name=rootless, or a user id other than 0';

export const rootless = daemonCheck({
  id: 'daemon.rootless',
  title: 'Daemon runs without root privileges',
  failTitle: 'Daemon runs as root',
  severity: 'low',
  rationale:
    'A flaw in a daemon that runs as root exposes the whole host; in a rootless daemon it exposes one account. Rootless mode has limitations, so the decision is yours.',
  remediation:
    'Run dockerd-rootless-setuptool.sh install for a dedicated account, and move the containers that work there.',
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
    return manual('decide whether this host can use a rootless daemon', ...evidence);
  },
});
