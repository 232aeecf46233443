import type { ImagePolicy } from '../../policy/image-policy.ts';
import type { SnapshotImage } from '../../policy/snapshot.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { RunningImages } from '../image/running-images.ts';
import type { DatabaseState } from '../image/database-keeper.ts';
import type { Issue } from '../status/collector-status.ts';
import type { ImageStore } from '../store/image-store.ts';
import { startImageJudge } from './image-judge.ts';
import { openPolicyFiles } from './policy-files.ts';
import { NO_REGISTRIES } from './registry-facts.ts';
import { simulatePolicies } from './simulation.ts';
import type { SimulatedDecision } from './simulation.ts';
import { openSnapshotPublisher } from './snapshot-publisher.ts';
import type { PublishedSnapshot } from './snapshot-publisher.ts';

/** The policies of a collector and what they say about the images of the fleet. */
export interface PolicyService {
  /** The policies in use; empty while none could be loaded. */
  readonly policies: () => readonly ImagePolicy[];
  readonly verdictsOf: (imageId: string) => readonly SnapshotImage[];
  readonly simulate: (namespace: string | undefined) => readonly SimulatedDecision[];
  /** What enforcers get; undefined: nothing was published since the start. */
  readonly snapshot: () => PublishedSnapshot | undefined;
  readonly publicKey: string;
  readonly keyId: string;
}

/** A service that runs. */
export interface RunningPolicyService extends PolicyService {
  /** The store has new inventories. */
  readonly notify: () => void;
  readonly issues: () => readonly Issue[];
  readonly over: Promise<unknown>;
}

/** What the service needs. */
export interface PolicyServiceOptions {
  readonly settings: Pick<Settings, 'policies' | 'dataDir' | 'vulndb' | 'vulndbMaxAge'>;
  readonly images: ImageStore;
  readonly running: RunningImages;
  readonly database: () => DatabaseState;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Judges the images of the fleet by the policies of the settings until the signal aborts. Rejects with StartError. */
export async function startPolicyService(options: PolicyServiceOptions): Promise<RunningPolicyService> {
  const { settings, running, clock, log } = options;
  const files = openPolicyFiles({ path: settings.policies, clock, log });
  const publisher = await openSnapshotPublisher({ dataDirectory: settings.dataDir, clock, log });
  const registries = NO_REGISTRIES;
  const judge = startImageJudge({
    ...options,
    policies: files,
    registries,
    publisher,
    path: settings.vulndb,
    maxAgeMs: settings.vulndbMaxAge,
  });
  const policies = (): readonly ImagePolicy[] => files.current()?.policies.map(({ policy }) => policy) ?? [];
  return {
    policies,
    verdictsOf: judge.verdictsOf,
    simulate: (namespace) =>
      simulatePolicies(
        { running, registries, verdictsOf: judge.verdictsOf, policies: policies() },
        { namespace, now: clock.now() },
      ),
    snapshot: publisher.current,
    publicKey: publisher.publicKey,
    keyId: publisher.keyId,
    notify: judge.notify,
    issues: judge.issues,
    over: judge.over,
  };
}
