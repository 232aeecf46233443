import type { Clock } from '../../service/clock.ts';
import type { Settings } from '../../service/config/settings.ts';
import { runDiagnostics, problem, unknown } from '../../service/diagnostic.ts';
import type { DiagnosticReport } from '../../service/diagnostic.ts';
import { kernelInspector } from '../inspector/kernel/inspect.ts';
import { openLiveNode } from '../live-node.ts';
import type { NodeAccess } from '../node-access.ts';
import { engineTlsPaths } from '../runtime/docker/load-engine-tls.ts';
import { hostRoot } from './host-root.ts';
import { NODE_DIAGNOSTICS } from './registry.ts';

/** What to examine a node with. */
export interface DiagnoseNodeOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly uid: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Examines the node as an agent with these settings would see it. Writes nothing. */
export async function diagnoseNode(options: DiagnoseNodeOptions): Promise<readonly DiagnosticReport[]> {
  const { settings, version, uid, clock, signal } = options;
  const { hostRoot: root, dockerHost, nodeName, dataDir } = settings;
  let access: NodeAccess;
  try {
    const dockerTls = engineTlsPaths(settings);
    const node = { hostRoot: root, dockerHost, dockerTls, nodeName, dataDir, agentVersion: version };
    access = await openLiveNode({ ...node, now: clock.now, signal });
  } catch (error) {
    return unopened(root, error instanceof Error ? error.message : String(error));
  }
  let kernel: ReturnType<typeof kernelInspector.inspect> | undefined;
  const subject = {
    access,
    hostRoot: root,
    dockerHostGiven: dockerHost !== '',
    uid,
    kernel: () => (kernel ??= kernelInspector.inspect(access, {})),
  };
  return runDiagnostics(NODE_DIAGNOSTICS, subject, clock);
}

/** Without a root there is nothing else to look at. */
function unopened(root: string, reason: string): readonly DiagnosticReport[] {
  return NODE_DIAGNOSTICS.map(({ id, group, title }) => {
    const { outcome, observed, advice } =
      id === hostRoot.id
        ? problem(`${root} cannot be used: ${reason}`, 'name the root of the node with --host-root')
        : unknown('the root of the node cannot be used');
    return { id, group, title, outcome, observed, advice };
  });
}
