import type { KubeletFact } from '../../fact/kubelet.ts';
import { allOf } from '../combine.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { kubeletCheck } from './setting.ts';

const PORT = 10249;

type Proxy = Extract<KubeletFact['proxies'], { readonly state: 'seen' }>['value'][number];

export const kubeProxyMetrics = kubeletCheck({
  id: 'kubelet.kube-proxy-metrics',
  title: 'kube-proxy metrics are bound to loopback',
  failTitle: 'kube-proxy metrics are open to the network',
  severity: 'medium',
  rationale:
    'The metrics port answers everybody without authentication, also with the configuration and, where profiling is on, with profiles that load the node.',
  remediation:
    'Set metricsBindAddress: 127.0.0.1:10249 in the configuration of kube-proxy (kubeadm: the ConfigMap kube-proxy of kube-system), and restart its pods.',
  judge: ({ proxies }) => {
    if (proxies.state === 'unreadable') return unknownBecause(`${proxies.source}: ${proxies.reason}`);
    if (proxies.state === 'absent' || proxies.value.length === 0) return notApplicable('this host runs no kube-proxy');
    return allOf('medium', proxies.value.map(judgeProxy));
  },
});

function judgeProxy({ pid, listeners }: Proxy): Judgement {
  if (listeners.state === 'unreadable') return unknownBecause(`${listeners.source}: ${listeners.reason}`);
  const held = listeners.state === 'seen' ? listeners.value.filter(({ port }) => port === PORT) : [];
  const evidence = {
    source: listeners.source,
    seen: `listening on ${held.map(({ address }) => `${address} port ${String(PORT)}`).join(', ')}`,
    expected: 'a loopback address',
  };
  if (held.length === 0)
    return unknownBecause(
      `kube-proxy (pid ${String(pid)}) listens on no port ${String(PORT)}: its metrics may be elsewhere`,
    );
  return held.every(({ loopback }) => loopback)
    ? pass(evidence)
    : fail('everybody who reaches the node can read the metrics of kube-proxy', evidence);
}
