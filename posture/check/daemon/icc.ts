import { fail, pass } from '../../verdict.ts';
import { daemonCheck, judgeSetting, liveSwitch, toldEvidence } from './setting.ts';
import { isOn, configuredValueOf } from './configured-value.ts';

const EXPECTED = 'enable_icc: false';

export const icc = daemonCheck({
  id: 'daemon.icc',
  title: 'Containers on the default bridge cannot talk to each other',
  severity: 'medium',
  rationale:
    'On one open bridge, a container that was taken over reaches every port of all its neighbours, published or not.',
  remediation:
    'Set "icc": false in daemon.json (or --icc=false) and restart Docker; give containers that belong together a network of their own (docker network create).',
  reference: 'https://docs.docker.com/engine/network/drivers/bridge/',
  judge: (docker) => {
    const { bridgeInterContainer: bridge } = docker;
    if (bridge.state === 'absent')
      return pass({ source: bridge.source, seen: 'there is no default bridge', expected: EXPECTED });
    const judged = judgeSetting(docker, {
      flag: 'icc',
      whenUnset: ['true'],
      expected: EXPECTED,
      accepts: (values) => isOn(values) === false,
      live: () => liveSwitch(bridge, (on) => `com.docker.network.bridge.enable_icc: ${String(on)}`),
    });
    if (judged.verdict !== 'pass') return judged;
    // dockerd keeps containers apart with packet filter rules: told to write none, it keeps nobody apart.
    const filter = configuredValueOf(docker, { flag: 'iptables' }, ['true']);
    if (!filter.known || isOn(filter.values) !== false) return judged;
    return fail(...judged.evidence, toldEvidence(filter, 'iptables not false, without which icc has no effect'));
  },
});
