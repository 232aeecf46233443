import { statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { openCollectorReporter } from '../image/policy/collector-reporter.ts';
import { authorize } from '../policy/docker/authorize.ts';
import type { Authorization, AuthorizationRequest } from '../policy/docker/authorize.ts';
import { builtInPolicy } from '../policy/docker/container-policy.ts';
import { denialMessage } from '../policy/docker/denial.ts';
import type { Clock } from '../service/clock.ts';
import type { Settings } from '../service/config/settings.ts';
import type { Logger } from '../service/log.ts';
import { openRotatedFile } from '../service/rotated-file.ts';
import { openDenialLog } from './denial-log.ts';
import { listen } from './listen.ts';
import { createPluginServer } from './plugin-server.ts';
import type { PluginAnswer } from './plugin-server.ts';
import { openSnapshotSource } from './snapshot-source.ts';
import type { SnapshotSource } from './snapshot-source.ts';
import { openPolicySource } from './policy-source.ts';
import { startWatchdog } from './watchdog.ts';
import type { PolicySource } from './policy-source.ts';

/** What the program needs. */
export interface AuthzOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly onReady: () => void;
}

const EVENT_FILES_KEPT = 5;
/** `CGROUP2_SUPER_MAGIC` of statfs(2). */
const CGROUP2_MAGIC = 0x63677270;

/**
 * Runs the authorization plugin of dockerd until `signal` aborts. Rejects with what stops it from starting. It asks
 * nobody while it decides: neither dockerd, which waits for the answer, nor the network.
 */
export async function runAuthz(options: AuthzOptions): Promise<void> {
  const { settings, version, environment, clock, log, signal, onReady } = options;
  const { pluginSocket, authzEvents, authzEventsMaxBytes: maxBytes } = settings;
  const images = await openImages(options);
  const policies = await openPolicies(options, images);
  const sources = { policies, images, isCgroupV2: await isCgroupV2() };
  const reporter = await openCollectorReporter({ program: 'authz', name: hostname(), settings, clock, log, signal });
  const denials = openDenialLog({
    report: (record) => reporter?.add({ denial: record }),
    events:
      authzEvents === 'off' ? undefined : openRotatedFile({ path: authzEvents, maxBytes, keep: EVENT_FILES_KEPT }),
    hostname: hostname(),
    version,
    clock,
    log,
  });
  const decide = (request: AuthorizationRequest): PluginAnswer => {
    const authorization = decideBy(sources, request);
    denials.record(authorization, request.client);
    return {
      isAllowed: authorization.isAllowed,
      message: authorization.isAllowed ? '' : denialMessage(authorization),
    };
  };
  const server = createPluginServer({ decide, clock, log });
  let watchdog: ReturnType<typeof startWatchdog> | undefined;
  try {
    const address = await listen(server, { path: pluginSocket, environment });
    log.info({ address, version }, 'answering the authorization requests of dockerd');
    watchdog = startWatchdog({ environment, clock, log });
    onReady();
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  } finally {
    watchdog?.close();
    server.close();
    server.closeAllConnections();
    policies.close();
    images?.close();
    await denials.close();
    await reporter?.over;
  }
}

function openImages({ settings, clock, log }: AuthzOptions): Promise<SnapshotSource> | undefined {
  const { policySnapshot: directory, policySnapshotKey: keyFile, dataDir: stateDirectory } = settings;
  return directory === 'off' ? undefined : openSnapshotSource({ directory, keyFile, stateDirectory, clock, log });
}

/** The container policies: of the snapshot, of files, or the built-in one. */
async function openPolicies(
  { settings: { containerPolicy }, clock, log }: AuthzOptions,
  snapshot: SnapshotSource | undefined,
): Promise<PolicySource> {
  if (containerPolicy !== 'snapshot')
    return openPolicySource({ path: containerPolicy === 'built-in' ? undefined : containerPolicy, clock, log });
  if (snapshot !== undefined) return { current: snapshot.policies, close: () => undefined };
  const hint = 'set --policy-snapshot DIRECTORY, or name a file: --container-policy FILE';
  throw Object.assign(new Error('the container policies are to come from a snapshot, and none is configured'), {
    code: 'settings',
    hint,
  });
}

interface Sources {
  readonly policies: PolicySource;
  readonly images: SnapshotSource | undefined;
  readonly isCgroupV2: boolean;
}

/** By the policies; without usable ones, only reads that the built-in policy allows. */
function decideBy({ policies, images, isCgroupV2: isUnified }: Sources, request: AuthorizationRequest): Authorization {
  const state = policies.current();
  const rules = { judgeImage: images?.judgeImage, isCgroupV2: isUnified };
  if (state.ok) return authorize(request, { ...rules, policies: state.policies });
  const authorization = authorize(request, { ...rules, policies: [builtInPolicy()], judgeImage: undefined });
  if (authorization.isRead && authorization.isAllowed) return authorization;
  const violation = {
    field: '',
    actual: `a change while the policies cannot be used (${state.problem})`,
    action: 'See the log of plimsoll authz; plimsoll authz check verifies a file.',
  };
  return { ...authorization, isAllowed: false, policy: '', violations: [violation] };
}

/** Whether the host has cgroup v2 alone, judged by its mount as dockerd does; false where it cannot be read. */
async function isCgroupV2(): Promise<boolean> {
  const type = await statfs('/sys/fs/cgroup').then(
    (found) => found.type,
    () => undefined,
  );
  return type === CGROUP2_MAGIC;
}
