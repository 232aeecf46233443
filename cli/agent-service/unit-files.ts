/** How the program is started, and where its services keep what they need. */
export interface ServiceProgram {
  /** Node.js and the script: absolute paths. */
  readonly command: readonly string[];
}

/** Where a node keeps the files of the services. */
export const SERVICE_PATHS = Object.freeze({
  brokerUnit: '/etc/systemd/system/plimsoll-broker.service',
  agentUnit: '/etc/systemd/system/plimsoll-agent.service',
  users: '/etc/sysusers.d/plimsoll.conf',
  settings: '/etc/plimsoll/agent.env',
  dataDir: '/var/lib/plimsoll',
});

const SOCKET = '/run/plimsoll/broker.sock';

/** The user of the agent, in the format of sysusers.d(5). */
export const SYSUSERS = `u plimsoll - "Plimsoll agent" ${SERVICE_PATHS.dataDir}\n`;

/** Restrictions that both services have, systemd.exec(5). V8 compiles at run time: memory must stay executable. */
const COMMON = `Type=exec
Restart=always
RestartSec=2
EnvironmentFile=-${SERVICE_PATHS.settings}
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
DevicePolicy=closed
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectClock=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM`;

/**
 * The unit of the broker: user 0 for the sockets of container engines, two capabilities, no network. It stays in the
 * namespaces of the node, where sysctls of the network are the node's, and sees all processes and /tmp.
 */
export function brokerUnit({ command }: ServiceProgram): string {
  return `[Unit]
Description=Plimsoll broker: reads this node for the Plimsoll agent

[Service]
ExecStart=${commandLine([...command, 'broker', '--socket', SOCKET])}
User=root
Group=plimsoll
RuntimeDirectory=plimsoll
RuntimeDirectoryMode=0750
CapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
ProtectHome=read-only
RestrictAddressFamilies=AF_UNIX
IPAddressDeny=any
${COMMON}

[Install]
WantedBy=multi-user.target
`;
}

/** The unit of the agent: a user of its own, no capabilities, its data directory and the network. */
export function agentUnit({ command }: ServiceProgram): string {
  return `[Unit]
Description=Plimsoll agent: judges this node and reports to the collector
Wants=network-online.target plimsoll-broker.service
After=network-online.target plimsoll-broker.service

[Service]
ExecStart=${commandLine([...command, 'agent', '--broker', `unix://${SOCKET}`, '--data-dir', SERVICE_PATHS.dataDir])}
Environment=PLIMSOLL_AGENT_MEMORY_BUDGET=192MiB
User=plimsoll
Group=plimsoll
StateDirectory=plimsoll
StateDirectoryMode=0700
CapabilityBoundingSet=
ProtectHome=yes
ProtectHostname=yes
ProtectProc=invisible
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
${COMMON}

[Install]
WantedBy=multi-user.target
`;
}

/** Words as ExecStart has them, systemd.service(5): quoted, `%` and `$` doubled. */
function commandLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w./:=@-]+$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, '\\$&')}"`))
    .map((word) => word.replaceAll('%', '%%').replaceAll('$', '$$$$'))
    .join(' ');
}

/** Settings as EnvironmentFile has them, systemd.exec(5). */
export function environmentFile(variables: Readonly<Record<string, string>>): string {
  const lines = Object.entries(variables).map(([name, value]) => `${name}="${value.replaceAll(/["\\$`]/g, '\\$&')}"\n`);
  return lines.join('');
}
