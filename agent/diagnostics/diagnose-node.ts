import type { Clock } from '../../service/clock.ts';
import type { Settings } from '../../service/config/settings.ts';
import { runDiagnostics, problem, unknown } from '../../service/diagnostic.ts';
import type { DiagnosticReport } from '../../service/diagnostic.ts';
import { liveNodeSettings, openLiveNode } from '../live-node.ts';
import type { NodeAccess } from '../node-access.ts';
import { nodeVisibility } from './node-visibility.ts';
import { brokerDiagnostic } from './broker.ts';
import { NODE_DIAGNOSTICS } from './registry.ts';

/** Options of {@link diagnoseNode}. */
export interface DiagnoseNodeOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly uid: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Runs the diagnostics of the node with the view that an agent with these settings has: where it has a broker, those of
 * the broker only. Writes nothing.
 */
export async function diagnoseNode(options: DiagnoseNodeOptions): Promise<readonly DiagnosticReport[]> {
  const { settings, version, uid, clock, signal } = options;
  const { hostRoot: root, dockerHost, broker, socket: usualSocket } = settings;
  const reports = await runDiagnostics([brokerDiagnostic], { broker, usualSocket, version, uid, clock }, clock);
  // The view of this process is not that of the broker.
  if (broker !== 'off') return reports;
  let access: NodeAccess;
  try {
    access = await openLiveNode({ ...liveNodeSettings(settings, version), now: clock.now, signal });
  } catch (error) {
    return [...unopened(root, error instanceof Error ? error.message : String(error)), ...reports];
  }
  const subject = { access, hostRoot: root, dockerHostGiven: dockerHost !== '', uid };
  return [...(await runDiagnostics(NODE_DIAGNOSTICS, subject, clock)), ...reports];
}

/** The results where the root of the node cannot be opened. */
function unopened(root: string, reason: string): readonly DiagnosticReport[] {
  return NODE_DIAGNOSTICS.map(({ id, title }) => {
    const { outcome, observed, advice } =
      id === nodeVisibility.id
        ? problem(`${root} cannot be opened: ${reason}`, 'name the root of the node with --host-root')
        : unknown('the root of the node cannot be opened');
    return { id, title, outcome, observed, advice };
  });
}
