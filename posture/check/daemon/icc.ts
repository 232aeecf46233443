import { fail, pass } from '../../verdict.ts';
import { daemonCheck, judgeSetting, liveSwitch, configuredEvidence } from './setting.ts';
import { isOn, configuredValueOf } from './configured-value.ts';

const EXPECTED = 'enable_icc: false';
const PROBLEM = 'containers on the default bridge reach every port of each other';

export const icc = daemonCheck({
  id: 'daemon.icc',
  title: 'Containers on the default bridge are isolated',
  failTitle: 'Containers on the default bridge can communicate',
  severity: 'medium',
  rationale: 'On an open bridge, a compromised container reaches every port of all its neighbours, published or not.',
  remediation:
    'Set "icc": false in daemon.json (or --icc=false) and restart Docker. Put containers that belong together on a network of their own (docker network create).',
  reference: 'https://docs.docker.com/engine/network/drivers/bridge/',
  judge: (docker) => {
    const { bridgeInterContainer: bridge } = docker;
    if (bridge.state === 'absent')
      return pass({ source: bridge.source, seen: 'there is no default bridge', expected: EXPECTED });
    const judged = judgeSetting(docker, {
      flag: 'icc',
      whenUnset: ['true'],
      problem: PROBLEM,
      expected: EXPECTED,
      accepts: (values) => isOn(values) === false,
      live: () => liveSwitch(bridge, (on) => `com.docker.network.bridge.enable_icc: ${String(on)}`),
    });
    if (judged.verdict !== 'pass') return judged;
    // dockerd separates containers with packet filter rules: without them, the setting has no effect.
    const filter = configuredValueOf(docker, { flag: 'iptables' }, ['true']);
    if (!filter.known || isOn(filter.values) !== false) return judged;
    return fail(
      'icc is disabled, but dockerd writes no packet filter rules that enforce it',
      ...judged.evidence,
      configuredEvidence(filter, 'iptables not false, without which icc has no effect'),
    );
  },
});
