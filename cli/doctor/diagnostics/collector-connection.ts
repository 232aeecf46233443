import { formatAddress, loopbackOf } from '../../../service/config/kind.ts';
import { ok, problem, unknown, warning } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { lockHolder } from '../../../service/lock.ts';
import { loadTlsFiles } from '../../../service/tls/load-tls-files.ts';
import { TlsError } from '../../../service/tls/tls-error.ts';
import { join } from 'node:path';
import { dialNodesPort } from '../dial-nodes-port.ts';
import type { Dialled } from '../dial-nodes-port.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { judgeSkew } from '../skew.ts';

/** Can the agent of this machine connect to its collector? */
export const collectorConnection: InstallationDiagnostic = Object.freeze({
  id: 'collector-connection',
  title: 'collector connection',
  run: async (installation: Installation) => {
    const { agent, roles, signal, clock } = installation;
    if (!roles.agent) return ok('this machine has no agent');
    const address = loopbackOf(agent.collector);
    const text = formatAddress(address);
    try {
      const tls = await loadTlsFiles({ ca: agent.tlsCa, cert: agent.tlsCert, key: agent.tlsKey });
      const dialled = await dialNodesPort(address, tls, signal);
      return judge(dialled, text, { ...installation, nowMs: clock.now() });
    } catch (error) {
      if (!(error instanceof TlsError)) throw error;
      return unknown(`${text} was not tried: ${error.message}`, 'see: certificates');
    }
  },
});

function judge(
  dialled: Dialled,
  text: string,
  { agent, nowMs }: Installation & { readonly nowMs: number },
): DiagnosticResult {
  if (dialled.ok) {
    const skew = judgeSkew(dialled.dateMs, nowMs);
    return skew ?? ok(`${text} in ${String(dialled.tookMs)} ms: TLS 1.3, both certificates accepted`);
  }
  const { reason, shaken } = dialled;
  if (shaken)
    return problem(
      `${text} closed the connection after it received the agent's certificate (${reason.text})`,
      'the certificate is of another authority or has expired: see certificates',
    );
  const observed = `${text}: ${reason.text}`;
  const isRunning = lockHolder(join(agent.dataDir, 'agent', 'lock')) !== undefined;
  // Before the first start no collector listens.
  return reason.text.includes('ECONNREFUSED') && !isRunning
    ? warning(observed, reason.advice)
    : problem(observed, reason.advice);
}
