import type { ListenerFact } from '../../fact/listener.ts';
import { fail, failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { listenerCheck } from '../check.ts';
import type { ListenerCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { judgeClientCertificate, judgeProbe } from './probed.ts';

const ETCD_MANUAL = 'https://etcd.io/docs/latest/op-guide/security/';
const CURRENT: ReadonlySet<string> = new Set(['TLSv1.2', 'TLSv1.3']);

/** Passes where the port is bound to loopback; otherwise a client certificate is required. */
function localOrProtected(listener: ListenerFact, problem: string): Judgement {
  const { loopback, address, probe } = listener;
  // Without a look at who holds it, it is not known whose port it is.
  if (probe.state === 'unreadable' && loopback) return unknownBecause(`${probe.source}: ${probe.reason}`);
  return loopback
    ? pass({ source: probe.source, seen: `bound to ${address}`, expected: 'loopback, or client certificates' })
    : judgeClientCertificate(listener, (evidence) => fail(problem, evidence));
}

/** Checks of the ports of etcd, containerd and streaming servers, sorted by id. */
export const SERVICE_PORT_CHECKS: readonly ListenerCheck[] = Object.freeze([
  listenerCheck({
    id: 'tls.containerd-client-cert',
    title: 'containerd port requires a client certificate',
    failTitle: 'containerd port accepts clients without certificate',
    judgedBy: 'effect',
    severity: 'critical',
    severityLevels: [
      { severity: 'critical', when: 'the port is reachable from other hosts' },
      { severity: 'high', when: 'the port listens on loopback only' },
    ],
    rationale:
      'The API of containerd starts any container as root and asks nobody: whoever reaches this port without a certificate owns the host.',
    remediation:
      'Remove tcp_address from [grpc] of config.toml and restart containerd; or set tcp_tls_cert, tcp_tls_key and tcp_tls_ca.',
    references: ['https://github.com/containerd/containerd/blob/main/docs/man/containerd-config.toml.5.md'],
    judges: 'listener',
    service: 'containerd',
    needs: [],
    judge: (listener) =>
      judgeClientCertificate(listener, (evidence) =>
        listener.loopback
          ? failAs('high', 'every account of the host has root access through this port', evidence)
          : fail('everyone who can reach this port has root access to the host', evidence),
      ),
  }),
  listenerCheck({
    id: 'tls.etcd-client-cert',
    title: 'etcd requires a client certificate',
    failTitle: 'etcd answers clients without certificate',
    judgedBy: 'effect',
    severity: 'critical',
    severityLevels: [
      { severity: 'critical', when: 'the port is reachable from other hosts' },
      { severity: 'high', when: 'the port listens on loopback only' },
    ],
    rationale:
      'etcd holds every secret and role of the cluster. Who reads it has all passwords, who writes to it is administrator, and joins of peers bring a copy of everything.',
    remediation:
      'Set --client-cert-auth with --trusted-ca-file and --peer-client-cert-auth with --peer-trusted-ca-file, and https:// in the listen URLs (kubeadm: /etc/kubernetes/manifests/etcd.yaml).',
    references: [ETCD_MANUAL],
    judges: 'listener',
    service: 'etcd',
    needs: [],
    judge: (listener) =>
      judgeClientCertificate(listener, (evidence) =>
        listener.loopback
          ? failAs('high', 'every account and every container on the host network reads the cluster', evidence)
          : fail('everyone who can reach this port reads and writes the cluster', evidence),
      ),
  }),
  listenerCheck({
    id: 'tls.etcd-metrics',
    title: 'Metrics of etcd are local or protected',
    failTitle: 'Metrics of etcd are open to the network',
    judgedBy: 'effect',
    severity: 'low',
    rationale: 'They name members, versions and load of the store of the cluster to whoever asks.',
    remediation: 'Set --listen-metrics-urls to http://127.0.0.1:2381 (kubeadm: /etc/kubernetes/manifests/etcd.yaml).',
    references: [ETCD_MANUAL],
    judges: 'listener',
    service: 'etcdMetrics',
    needs: [],
    judge: (listener) => localOrProtected(listener, 'metrics are reachable from other hosts'),
  }),
  listenerCheck({
    id: 'tls.etcd-protocol-version',
    title: 'etcd offers only current TLS',
    failTitle: 'etcd offers outdated TLS',
    judgedBy: 'effect',
    severity: 'medium',
    rationale:
      'Older versions of TLS, and suites without forward secrecy or authenticated encryption, let an attacker on the network read the secrets of the cluster.',
    remediation:
      'Set --tls-min-version=TLS1.2 and --cipher-suites to suites with ECDHE and GCM or ChaCha20 (kubeadm: /etc/kubernetes/manifests/etcd.yaml).',
    references: ['https://www.rfc-editor.org/rfc/rfc8996'],
    judges: 'listener',
    service: 'etcd',
    needs: [],
    judge: (listener) =>
      judgeProbe(listener, ({ protocol, versions, weakCipherSuites }, source) => {
        if (protocol === 'http') return notApplicable('the port uses no TLS; see tls.etcd-client-cert');
        if (protocol === 'other' || versions.length === 0)
          return unknownBecause(`${source}: no TLS version was accepted`);
        const evidence = { source, seen: quoteList(versions), expected: 'TLSv1.2 and TLSv1.3 only' };
        const old = versions.filter((version) => !CURRENT.has(version));
        if (old.length > 0) return fail(`clients can be downgraded to ${quoteList(old)}`, evidence);
        const suites = {
          source,
          seen: weakCipherSuites === true ? 'weak suites of TLS 1.2 are accepted' : 'no weak suites of TLS 1.2',
          expected: 'ECDHE with AES-GCM or ChaCha20',
        };
        if (weakCipherSuites === true) return fail('clients can be downgraded to weak suites', suites, evidence);
        return weakCipherSuites === null && versions.includes('TLSv1.2')
          ? unknownBecause(`${source}: it is unknown whether weak suites are accepted`, evidence)
          : pass(evidence, suites);
      }),
  }),
  listenerCheck({
    id: 'tls.streaming-client-cert',
    title: 'Streaming port is local or requires a certificate',
    failTitle: 'Streaming port accepts clients without certificate',
    judgedBy: 'effect',
    severity: 'medium',
    rationale:
      'This port of containerd or CRI-O carries kubectl exec and attach. Without certificates only a token of a minute, in the address, keeps others out of the containers.',
    remediation:
      'Bind it to 127.0.0.1: remove stream_server_address from config.toml of containerd, or set stream_address in crio.conf; restart the runtime.',
    references: ['https://github.com/containerd/containerd/blob/main/docs/cri/config.md'],
    judges: 'listener',
    service: 'streaming',
    needs: [],
    judge: (listener) => localOrProtected(listener, 'only a token keeps others from streams of containers'),
  }),
]);
