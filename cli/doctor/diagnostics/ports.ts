import { readFile } from 'node:fs/promises';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { FleetStatus } from '../../../api/status.ts';
import { formatAddress } from '../../../service/config/kind.ts';
import type { Address } from '../../../service/config/kind.ts';
import { ok, problem, unknown, worstResult } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { lockHolder } from '../../../service/lock.ts';
import type { PortHolder } from '../../../service/port-holder.ts';
import { askApi } from '../ask-api.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** The settings that name a port of the collector. */
type PortSetting = 'listen' | 'api';

/** Are the ports for nodes and operators free, or held by the collector of this installation? */
export const ports: InstallationDiagnostic = Object.freeze({
  id: 'ports',
  title: 'ports',
  run: async (installation: Installation) => {
    const { roles } = installation;
    if (roles.agent && !roles.collector) return ok('this machine has no collector');
    return worstResult([await examinePort('listen', installation), await examinePort('api', installation)]);
  },
});

async function examinePort(setting: PortSetting, installation: Installation): Promise<DiagnosticResult> {
  const { collector } = installation;
  const address = collector[setting];
  const text = formatAddress(address);
  if (address.port === 0) return ok(`${text}: the kernel chooses a free port`);
  const choose = `choose another address: --${setting} HOST:PORT`;
  const ip = isIP(address.host) === 0 ? await addressOf(address.host) : address.host;
  if (ip === undefined) return problem(`${text}: the name cannot be resolved`, choose);
  const held = await installation.portHolders(address.port);
  if (!held.ok) return unknown(`${text}: ${held.reason}`, 'mount /proc');
  const holders = held.holders.filter((holder) => overlaps(holder.address, ip));
  if (holders.length > 0) return examineHeld(setting, holders, installation);
  if (!isOwnAddress(ip)) return problem(`${text}: this machine does not have this address`, choose);
  if (!(await mayListen(address, installation.uid)))
    return problem(`${text}: user ${String(installation.uid)} cannot listen on privileged ports`, choose);
  return ok(`${text} is free`);
}

async function examineHeld(
  setting: PortSetting,
  holders: readonly PortHolder[],
  { collector, signal }: Installation,
): Promise<DiagnosticResult> {
  const address = collector[setting];
  const text = formatAddress(address);
  const pids = holders.map(({ pid }) => pid).filter((pid) => pid !== undefined);
  const own = lockHolder(join(collector.dataDir, 'collector.lock'));
  if (own !== undefined && pids.includes(own))
    return ok(`${text}, held by the collector of this installation (process ${String(own)})`);
  const answer = await askApi(collector, signal);
  const [first] = holders;
  const who =
    first?.pid === undefined ? 'another program' : `${first.name ?? 'a program'} (process ${String(first.pid)})`;
  const advice = `stop that program, or choose another address: --${setting} HOST:PORT`;
  const isOurs = answer.kind === 'collector' && (setting === 'api' || listensOn(answer.status, address.port));
  if (isOurs) return ok(`${text}, held by a collector that accepts the operator token`);
  if (setting === 'api' && answer.kind === 'closed')
    return problem(`${text} is held by ${who}: a collector with another data directory`, advice);
  if (first?.pid === undefined)
    return unknown(
      `${text} is held by a process that this user cannot see`,
      `run this as root to identify it; ${advice}`,
    );
  return problem(`${text} is held by ${who}`, advice);
}

function listensOn(status: FleetStatus | undefined, port: number): boolean {
  return status?.addresses.nodes.endsWith(`:${String(port)}`) === true;
}

/** Does a listener on `held` prevent listening on `wanted`? */
function overlaps(held: string, wanted: string): boolean {
  const isAny = (address: string): boolean => address === '0.0.0.0' || address === '::';
  if (isAny(held) || isAny(wanted)) return true;
  return held.replace(/^::ffff:/, '') === wanted;
}

async function addressOf(name: string): Promise<string | undefined> {
  return lookup(name).then(
    ({ address }) => address,
    () => undefined,
  );
}

function isOwnAddress(ip: string): boolean {
  // All of 127.0.0.0/8 is local, although only one address is listed.
  if (ip === '0.0.0.0' || ip === '::' || ip.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === ip));
}

/** CAP_NET_BIND_SERVICE in linux/capability.h. */
const BIND_CAPABILITY = 10n;

async function mayListen({ port }: Address, uid: number): Promise<boolean> {
  if (uid === 0) return true;
  const first = Number(await readFile('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'latin1').catch(() => '1024'));
  if (port >= first) return true;
  const status = await readFile('/proc/self/status', 'latin1').catch(() => '');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]{16})$/m.exec(status)?.[1] ?? '0'}`);
  return ((effective >> BIND_CAPABILITY) & 1n) === 1n;
}
