import type { DockerFact } from '../../fact/docker.ts';
import { manual } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { daemonCheck, fromApi, judgeSetting, configuredEvidence } from './setting.ts';
import { configuredValueOf } from './configured-value.ts';

/** Drivers that store logs on the host only, or not at all. */
const LOCAL: ReadonlySet<string> = new Set(['json-file', 'local', 'none', '']);
/** The option with the address, by driver. Of all log options only these are read: others may be tokens. */
const ADDRESS: Readonly<Record<string, string>> = Object.freeze({
  syslog: 'syslog-address',
  fluentd: 'fluentd-address',
  gelf: 'gelf-address',
  splunk: 'splunk-url',
  awslogs: 'awslogs-endpoint',
});
/** Drivers that write to this host without an address. */
const LOCAL_BY_DEFAULT: ReadonlySet<string> = new Set(['syslog', 'fluentd']);

export const remoteLogging = daemonCheck({
  id: 'daemon.remote-logging',
  title: 'Container logs are sent to another host',
  failTitle: 'Container logs stay on the host',
  severity: 'low',
  rationale:
    'Logs that are stored only on the host are lost with the container, or deleted by an intruder with root access.',
  remediation:
    'Set a driver that ships logs ("log-driver": syslog with a remote syslog-address, fluentd, gelf …) in daemon.json and restart Docker; or collect the json-file logs with a shipper, and waive this finding.',
  reference: 'https://docs.docker.com/engine/logging/configure/',
  judge: (docker) => {
    const judged = judgeSetting(docker, {
      flag: 'log-driver',
      whenUnset: ['json-file'],
      problem: 'the log driver stores logs on this host only',
      expected: 'a driver that sends logs elsewhere',
      accepts: (values) => !LOCAL.has(values.at(-1) ?? ''),
      live: () => fromApi(docker, 'LoggingDriver', (api) => [api.loggingDriver]),
    });
    // Only a value of the running daemon passes, so its driver is known here.
    if (judged.verdict !== 'pass' || docker.api.state !== 'seen') return judged;
    const driver = docker.api.value.loggingDriver;
    if (driver === 'journald')
      return manual('journald stores logs on the host: find out whether it forwards them', ...judged.evidence);
    return Object.hasOwn(ADDRESS, driver) ? judgeAddress(docker, driver, judged) : judged;
  },
});

function judgeAddress(docker: DockerFact, driver: string, judged: Judgement): Judgement {
  const option = ADDRESS[driver] ?? '';
  const options = configuredValueOf(
    docker,
    { flag: 'log-opt', key: 'log-opts', fromFile: (value) => addressOf(value, option) },
    [],
  );
  const prefix = `${option}=`;
  const given = options.known ? options.values.findLast((value) => value.startsWith(prefix)) : undefined;
  if (!options.known)
    return manual(`find out where the ${driver} driver sends logs: ${options.reason}`, ...judged.evidence);
  if (given === undefined)
    return LOCAL_BY_DEFAULT.has(driver)
      ? manual(
          `the ${driver} driver writes to this host by default: find out whether that forwards logs`,
          ...judged.evidence,
        )
      : judged;
  const shown = configuredEvidence({ ...options, seen: given }, `${option} of another host`);
  return isRemote(given.slice(prefix.length), driver)
    ? { ...judged, evidence: [...judged.evidence, shown] }
    : manual(
        `logs go to a ${driver} receiver on this host: find out whether it forwards them`,
        ...judged.evidence,
        shown,
      );
}

/** `tcp://host:port`, `unix:///path`, and for fluentd `host:port` too. */
function isRemote(address: string, driver: string): boolean {
  const [, scheme = '', rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(address) ?? [];
  if (/^(?:unix|unixgram|fd)$/i.test(scheme) || rest === '' || rest.startsWith('/')) return false;
  if (scheme === '' && driver !== 'fluentd') return false;
  const authority = rest.replace(/[/?#].*$/s, '').replace(/^.*@/s, '');
  const host = authority.startsWith('[') ? authority.slice(1).replace(/\].*$/s, '') : authority.replace(/:\d*$/, '');
  return !isThisMachine(host.toLowerCase().replace(/\.$/, ''));
}

/** Loopback and unspecified addresses (RFC 6890), also as IPv6 writes those of IPv4, and names of loopback (RFC 6761). */
function isThisMachine(host: string): boolean {
  if (host === '' || /(?:^|\.)localhost$|^localhost\.localdomain$|^ip6-(?:localhost|loopback)$/.test(host)) return true;
  return /^(?:0x7f|0177|127)(?:[.]|$)|^(?:0|0\.0\.0\.0)$|^[0:]*:(?:0*1)?$|^[0:]*:ffff:(?:127\.|7f)/.test(host);
}

function addressOf(value: unknown, option: string): readonly string[] {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, option)) return [];
  const address = (value as Readonly<Record<string, unknown>>)[option];
  return typeof address === 'string' ? [`${option}=${address}`] : [];
}
