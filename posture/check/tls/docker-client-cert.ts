import type { ListenerFact } from '../../fact/listener.ts';
import { fail, failAs } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { listenerCheck } from '../check.ts';
import { judgeClientCertificate } from './probed.ts';

export const dockerClientCert = listenerCheck({
  id: 'tls.docker-client-cert',
  title: 'Docker port requires a client certificate',
  failTitle: 'Docker port accepts clients without certificate',
  judgedBy: 'effect',
  severity: 'critical',
  severityLevels: [
    { severity: 'critical', when: 'the port is reachable from other hosts' },
    { severity: 'high', when: 'the port listens on loopback only' },
  ],
  rationale:
    'Everyone who reaches this port without a certificate has root access to the host: one request starts a container that mounts the root file system. Such ports are found and abused within hours.',
  remediation:
    'Remove the tcp:// host from daemon.json, the flags and docker.socket, and use ssh:// contexts; or set tlsverify with tlscacert, tlscert and tlskey. tlsverify: false still enables encryption, but admits everyone.',
  references: ['https://docs.docker.com/engine/security/protect-access/'],
  judges: 'listener',
  service: 'docker',
  needs: [],
  judge: (listener) => judgeClientCertificate(listener, (evidence) => open(listener, evidence)),
});

/** Only local accounts and containers on the host network reach a port on loopback. */
function open(listener: ListenerFact, evidence: Evidence): Judgement {
  return listener.loopback
    ? failAs(
        'high',
        'every account and every container on the host network has root access through this port',
        evidence,
      )
    : fail('everyone who can reach this port has root access to the host', evidence);
}
