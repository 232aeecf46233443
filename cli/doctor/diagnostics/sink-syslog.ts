import { connect } from 'node:net';
import { formatAddress } from '../../../service/config/kind.ts';
import type { Address } from '../../../service/config/kind.ts';
import { ok, problem, warning } from '../../../service/diagnostic.ts';
import { connectionReason } from '../connection-reason.ts';
import type { ConnectionReason } from '../connection-reason.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

const DEADLINE_MS = 1_500;

/** Does the receiver of syslog messages take connections? Nothing is sent. */
export const sinkSyslog: InstallationDiagnostic = Object.freeze({
  id: 'sink.syslog',
  group: 'sinks',
  title: 'syslog',
  run: async ({ collector: { sinkSyslog: receiver }, signal }: Installation) => {
    if (receiver === 'off') return ok('off');
    const { transport, address } = receiver;
    const text = `${transport}://${formatAddress(address)}`;
    const reason = await tryConnection(address, signal);
    if (reason !== undefined) return problem(`${text}: ${reason.text}`, `see to the receiver; ${reason.advice}`);
    return transport === 'tls'
      ? ok(`${text} takes connections`)
      : warning(`${text} takes connections, but nothing is encrypted`, 'use tls://, unless the network is your own');
  },
});

/** Undefined: connected. */
function tryConnection({ host, port }: Address, signal: AbortSignal): Promise<ConnectionReason | undefined> {
  return new Promise((resolve) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
    const socket = connect({ host, port, signal: limit });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => resolve(connectionReason(error)));
  });
}
