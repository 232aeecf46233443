import { seen, unreadable } from '../../../posture/observed.ts';
import type { HostFact, HostProcess } from '../../../posture/fact/host.ts';
import { clip } from '../clip.ts';
import type { CachedHost } from '../parse-cache.ts';
import { containerIds } from '../proc/cgroup.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { findNamedProcesses, withoutDeleted } from '../proc/process-table.ts';
import { isFault, readText } from '../read-text.ts';

type Kind = 'logForwarders' | 'timeServices' | 'remoteServices' | 'automaticLogins';

/** Programs by what they are for. A terminal counts only where it logs in without a password. */
const PROGRAMS: Readonly<Record<Kind, readonly string[]>> = {
  logForwarders: [
    'rsyslogd',
    'syslog-ng',
    'syslogd',
    'fluent-bit',
    'fluentd',
    'vector',
    'promtail',
    'filebeat',
    'systemd-journal-upload',
    'systemd-journal-up',
    'otelcol',
    'splunkd',
    'nxlog',
    'metalog',
    'alloy',
  ],
  timeServices: [
    'chronyd',
    'ntpd',
    'ntpd-rs',
    'ntp-daemon',
    'openntpd',
    'systemd-timesyncd',
    'systemd-timesyn',
    'ptp4l',
    'phc2sys',
    'timemaster',
  ],
  remoteServices: [
    'dropbear',
    'tinysshd',
    'telnetd',
    'in.telnetd',
    'utelnetd',
    'rshd',
    'in.rshd',
    'rlogind',
    'in.rlogind',
    'rexecd',
    'in.rexecd',
    'cockpit-ws',
    'cockpit-tls',
    'amazon-ssm-agent',
    'ssm-agent-worker',
    'Xvnc',
    'x11vnc',
    'xrdp',
    'ttyd',
    'gotty',
    'shellinaboxd',
    'code-server',
    'wetty',
  ],
  automaticLogins: ['agetty', 'mingetty', 'getty', 'fgetty', 'mgetty'],
};

const MAX_PROCESSES = 32;
/** agetty(8), mingetty(8): `--autologin USER`, `-a USER`. */
const AUTOMATIC = /^(?:--autologin(?:=|$)|-a$|-a\S)/;

/** The processes of the node that are of interest by their program; those of containers are left out. */
export async function readServices(access: CachedHost): Promise<Pick<HostFact, Kind>> {
  const { host } = access;
  const kinds = new Map(Object.entries(PROGRAMS).flatMap(([kind, names]) => names.map((name) => [name, kind as Kind])));
  const found = await findNamedProcesses(access, new Set(kinds.keys()));
  const all: Record<Kind, HostProcess[]> = {
    logForwarders: [],
    timeServices: [],
    remoteServices: [],
    automaticLogins: [],
  };
  // Without its program, a process that has such a name may be one of these or not.
  const hidden = found.ok
    ? found.value.find(({ executable }) => !executable.ok && executable.code !== 'absent')
    : undefined;
  const refused = !found.ok ? found : hidden?.executable;
  if (!found.ok || refused?.ok === false) return noServices(refused?.ok === false ? refused.reason : '');
  const own = await readText(host, '/proc/1/cgroup');
  const outer = new Set(own.ok ? containerIds(own.value) : []);
  for (const { pid, comm, program, executable } of found.value) {
    // One program may be several (busybox): its name is in comm then.
    const name = kinds.has(program) ? program : comm;
    const kind = kinds.get(name);
    if (kind === undefined || (name === comm && name !== program && program !== 'busybox')) continue;
    const cgroup = await readText(host, `/proc/${String(pid)}/cgroup`);
    if (isFault(cgroup)) return noServices(cgroup.reason);
    if (!cgroup.ok || containerIds(cgroup.value).some((id) => !outer.has(id))) continue;
    if (kind === 'automaticLogins') {
      const cmdline = await readText(host, `/proc/${String(pid)}/cmdline`);
      if (isFault(cmdline)) return noServices(cmdline.reason);
      if (
        !cmdline.ok ||
        !parseNullTerminated(cmdline.value)
          .slice(1)
          .some((word) => AUTOMATIC.test(word))
      )
        continue;
    }
    const path = executable.ok ? withoutDeleted(executable.value) : '';
    all[kind].push({ pid, name: clip(name, 64), executable: clip(path, 4096) });
  }
  const source = '/proc/*/exe';
  return {
    logForwarders: seen(all.logForwarders.slice(0, MAX_PROCESSES), source),
    timeServices: seen(all.timeServices.slice(0, MAX_PROCESSES), source),
    remoteServices: seen(all.remoteServices.slice(0, MAX_PROCESSES), source),
    automaticLogins: seen(all.automaticLogins.slice(0, MAX_PROCESSES), source),
  };
}

function noServices(reason: string): Pick<HostFact, Kind> {
  const nothing = unreadable('/proc/*/exe', reason);
  return { logForwarders: nothing, timeServices: nothing, remoteServices: nothing, automaticLogins: nothing };
}
