import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { capabilityNames } from '../../posture/check/capability.ts';
import type { Clock } from '../../service/clock.ts';
import { DIAGNOSTIC_DEADLINE_MS, ok, problem, warning, worstResult } from '../../service/diagnostic.ts';
import type { Diagnostic, DiagnosticResult } from '../../service/diagnostic.ts';
import { errorCode } from '../../service/files.ts';
import { askAbout } from '../broker/ask-about.ts';
import { BROKER_PROTOCOL } from '../broker/message.ts';
import type { BrokerAbout } from '../broker/message.ts';

/** The broker that an agent with these settings reads the node through. */
export interface BrokerSubject {
  /** Path of its socket; `off`: the agent reads the node itself. */
  readonly broker: string;
  /** Where a broker listens that was started without a setting. */
  readonly usualSocket: string;
  /** Of this program. */
  readonly version: string;
  /** Effective user id of this process. */
  readonly uid: number;
  readonly clock: Clock;
}

/** Is the socket there and protected, does a broker of this version answer, and may it read the node? */
export const brokerDiagnostic: Diagnostic<BrokerSubject> = Object.freeze({
  id: 'broker',
  title: 'broker',
  run: async (subject: BrokerSubject) => {
    const { broker: path, usualSocket } = subject;
    if (path !== 'off') return examineBroker(path, subject);
    const usual = await stat(usualSocket).catch(() => undefined);
    return usual?.isSocket() === true
      ? ok(`not used by an agent with these settings; to examine the one there: --broker unix://${usualSocket}`)
      : ok('not used: the agent reads the node itself');
  },
});

async function examineBroker(path: string, subject: BrokerSubject): Promise<DiagnosticResult> {
  const start = `start it: plimsoll broker --socket ${path}, or systemctl start plimsoll-broker`;
  let socket: Stats;
  let directory: Stats;
  try {
    directory = await stat(dirname(path));
    socket = await stat(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return problem(`no socket at ${path}: no broker runs there`, start);
    return problem(`${path}: ${code}`, AS_AGENT);
  }
  if (!socket.isSocket()) return problem(`${path} is not a socket`, 'name the socket of the broker with --broker');
  const asked = await askAbout(path, DIAGNOSTIC_DEADLINE_MS / 2, subject.clock);
  if (asked.ok) {
    const results = [examineProcess(asked.about, path, subject), examineRights(asked.about)] as const;
    return worstResult([...results, examineAccess(path, socket, directory)]);
  }
  if (asked.code === 'EACCES')
    return problem(
      `user ${String(subject.uid)} may not connect to ${path}: it is for user ${String(socket.uid)} and group ${String(socket.gid)}`,
      AS_AGENT,
    );
  if (asked.code === 'ECONNREFUSED') return problem(`no broker listens on ${path}: it has ended`, start);
  return problem(
    `what listens on ${path} does not answer as a broker of this version: ${asked.reason}`,
    'run agent and broker from the same version of the program, and restart both',
  );
}

const AS_AGENT = 'run this, and the agent, as a user with the group of the broker (systemd: plimsoll)';
/** Bit of st_mode, inode(7); unix(7): who may write to a socket may connect. */
const OTHERS_WRITE = 0o002;

/** Whoever can replace the socket, or owns it, decides what the agent takes for the node. */
function examineAccess(path: string, socket: Stats, directory: Stats): DiagnosticResult {
  const place = dirname(path);
  if ((directory.mode & OTHERS_WRITE) !== 0)
    return problem(`everybody can write to ${place}, and can replace the socket`, `chmod o-w ${place}`);
  const owner = [socket, directory].find(({ uid }) => uid !== 0)?.uid;
  if (owner !== undefined)
    return warning(
      `user ${String(owner)}, who is not root, can replace the socket`,
      'run the broker as root, and let it create the directory of its socket',
    );
  if ((socket.mode & OTHERS_WRITE) !== 0)
    return warning(`every user can connect to ${path}`, `restart the broker, or chmod 0660 ${path}`);
  return ok('the socket is protected');
}

function examineProcess({ version, protocol }: BrokerAbout, path: string, subject: BrokerSubject): DiagnosticResult {
  const update = 'run agent and broker from the same version of the program, and restart both';
  if (protocol !== BROKER_PROTOCOL)
    return problem(
      `it speaks version ${String(protocol)} of the protocol, the agent version ${String(BROKER_PROTOCOL)}`,
      update,
    );
  if (version !== subject.version) return warning(`it is version ${version}, this is ${subject.version}`, update);
  return ok(`version ${version} answers on ${path}`);
}

/** What a broker cannot read without a capability; test/agent/broker/processes.test.ts shows it. */
const NEEDED = Object.freeze([
  {
    names: ['SYS_PTRACE'],
    loss: 'namespaces of containers, the identity and configuration of dockerd, and control sockets become unknown',
  },
  {
    names: ['DAC_READ_SEARCH', 'DAC_OVERRIDE'],
    loss: 'control sockets, rootless engines, and files that root does not own become unknown',
  },
]);

function examineRights({ uid, capabilities }: BrokerAbout): DiagnosticResult {
  const held = new Set(capabilityNames(capabilities));
  const missing = NEEDED.filter(({ names }) => !names.some((name) => held.has(name)));
  const losses = missing.map(({ names: [name = ''], loss }) => `without CAP_${name}: ${loss}`);
  if (uid !== 0) losses.unshift(`user ${String(uid)}: container engines are for root, and become unknown`);
  return losses.length === 0
    ? ok('root, with the capabilities it needs')
    : warning(losses.join('; '), 'docs/least-privilege.md lists what the broker needs');
}
