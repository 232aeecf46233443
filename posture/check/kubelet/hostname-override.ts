import type { Distribution } from '../../fact/kubelet.ts';
import { notApplicable } from '../../verdict.ts';
import { judgeSetting, kubeletCheck } from './setting.ts';

const SETTING = '--hostname-override';

/** Distributions that set the flag themselves: the name of the node is that of the cloud, or of their configuration. */
const SET_BY: ReadonlySet<Distribution> = new Set(['bottlerocket', 'eks', 'k0s', 'k3s', 'rke2', 'talos']);

export const hostnameOverride = kubeletCheck({
  id: 'kubelet.hostname-override',
  title: 'Kubelet registers under the host name',
  failTitle: 'Kubelet registers under another name',
  severity: 'info',
  rationale:
    'A node whose name differs from that of its host is hard to match with logs, certificates and inventories.',
  remediation: 'Remove --hostname-override from the flags of the kubelet, unless a cloud provider requires it.',
  judge: (kubelet) =>
    SET_BY.has(kubelet.distribution)
      ? notApplicable(`${kubelet.distribution} sets --hostname-override itself`)
      : judgeSetting(kubelet, {
          setting: SETTING,
          expected: 'not set',
          accepts: (value) => value === '',
          problem: 'the node has another name than its host',
        }),
});
