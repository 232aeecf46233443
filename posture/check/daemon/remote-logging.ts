import type { DockerFact } from '../../fact/docker.ts';
import { manual } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { daemonCheck, fromApi, judgeSetting, toldEvidence } from './setting.ts';
import { toldOf } from './told.ts';

/** Drivers that keep logs on the node only, or not at all. */
const LOCAL: ReadonlySet<string> = new Set(['json-file', 'local', 'none', '']);
/** Of all log options only the address of the syslog server is read: others may be tokens. */
const ADDRESS = 'syslog-address=';

export const remoteLogging = daemonCheck({
  id: 'daemon.remote-logging',
  title: 'Container logs leave the node',
  severity: 'low',
  rationale:
    'Logs that stand only on the node are gone with the container, or with the intruder who became root there.',
  remediation:
    'Set a driver that ships logs ("log-driver": syslog with a remote syslog-address, fluentd, gelf …) in daemon.json and restart Docker; or collect the json-file logs with a shipper, and waive this finding.',
  reference: 'https://docs.docker.com/engine/logging/configure/',
  judge: (docker) => {
    const judged = judgeSetting(docker, {
      flag: 'log-driver',
      whenUnset: ['json-file'],
      expected: 'a driver that sends logs elsewhere',
      accepts: (values) => !LOCAL.has(values.at(-1) ?? ''),
      live: () => fromApi(docker, 'LoggingDriver', (api) => [api.loggingDriver]),
    });
    // Only an answer of the running daemon passes, so its driver is known here.
    if (judged.verdict !== 'pass' || docker.api.state !== 'seen') return judged;
    switch (docker.api.value.loggingDriver) {
      case 'journald':
        return manual('journald keeps logs on the node: see whether it forwards them', ...judged.evidence);
      case 'syslog':
        return judgeSyslog(docker, judged);
      default:
        return judged;
    }
  },
});

function judgeSyslog(docker: DockerFact, judged: Judgement): Judgement {
  const options = toldOf(docker, { flag: 'log-opt', key: 'log-opts', fromFile: addressOf }, []);
  const address = options.known ? options.values.findLast((value) => value.startsWith(ADDRESS)) : undefined;
  if (!options.known || address === undefined)
    return manual('the syslog driver writes to the local syslog: see whether that forwards', ...judged.evidence);
  const shown = toldEvidence({ ...options, seen: address }, 'syslog-address of another machine');
  const remote = /^(?:tcp|udp|tcp\+tls):\/\/(?!localhost\b|127\.|\[::1\])/.test(address.slice(ADDRESS.length));
  return remote
    ? { ...judged, evidence: [...judged.evidence, shown] }
    : manual('logs go to a syslog on this node: see whether that forwards them', ...judged.evidence, shown);
}

function addressOf(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null || !('syslog-address' in value)) return [];
  const address = value['syslog-address'];
  return typeof address === 'string' ? [`${ADDRESS}${address}`] : [];
}
