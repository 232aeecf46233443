import { join } from 'node:path';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { anonymous, loadDockerConfig } from '../../image/registry/credentials.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import type { SnapshotImage } from '../../policy/snapshot.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { RunningImages } from '../image/running-images.ts';
import type { FleetAnnotations } from '../image/suppression-review.ts';
import type { DatabaseState } from '../image/database-keeper.ts';
import type { Issue } from '../status/collector-status.ts';
import { StartError } from '../start-error.ts';
import type { ImageStore } from '../store/image-store.ts';
import { openAnnouncements } from './announcements.ts';
import type { Announcements } from './announcements.ts';
import { createImageScans } from './image-scans.ts';
import type { ImageScans } from './image-scans.ts';
import { startImageJudge } from './image-judge.ts';
import type { ImageJudge } from './image-judge.ts';
import type { NodePostureSource } from './node-posture.ts';
import { openPolicyFiles } from './policy-files.ts';
import type { PolicyFiles } from './policy-files.ts';
import type { PolicyJudgementSources } from './policy-findings.ts';
import { NO_REGISTRIES } from './registry-facts.ts';
import type { RegistrySource, TagState } from './registry-facts.ts';
import { watchRegistries } from './registry-watch.ts';
import { simulatePolicies } from './simulation.ts';
import type { SimulatedDecision } from './simulation.ts';
import { openSnapshotPublisher } from './snapshot-publisher.ts';
import type { PublishedSnapshot } from './snapshot-publisher.ts';
import { createSuccessorSearch } from './successor-search.ts';
import type { FindSuccessors } from './successor-search.ts';

/** The policies of a collector and what they say about the images of the fleet. */
export interface PolicyService {
  /** The policies in use; empty while none could be loaded. */
  readonly policies: () => readonly ImagePolicy[];
  /** All kinds of policies in use, with their waivers; undefined while none could be loaded. */
  readonly policySet: PolicyFiles['current'];
  /** Why the policy files as they are now are not in use. */
  readonly problems: PolicyFiles['problems'];
  readonly verdictsOf: (imageId: string) => readonly SnapshotImage[];
  /** What the tags name now that containers of the image were started from. */
  readonly tagsOf: (imageId: string) => readonly TagState[];
  /** What findings about images are made of. */
  readonly findingSources: PolicyJudgementSources;
  /** What findings report of tags. */
  readonly tags: Pick<RegistrySource, 'tagOf' | 'subscribeToTags'>;
  readonly simulate: (namespace: string | undefined) => readonly SimulatedDecision[];
  readonly requestScan: ImageScans['request'];
  /** Digests of manifests and indexes that name the image, as its registry says. */
  readonly manifestsOf: (imageId: string) => readonly string[];
  readonly endOfLifeOf: ImageJudge['endOfLifeOf'];
  readonly findSuccessors: FindSuccessors;
  readonly announce: Announcements['add'];
  readonly scans: ImageScans['states'];
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
  readonly settings: Pick<
    Settings,
    | 'policies'
    | 'dataDir'
    | 'vulndb'
    | 'vulndbMaxAge'
    | 'registries'
    | 'registryCredentials'
    | 'registryCa'
    | 'registryCheckInterval'
  >;
  readonly images: ImageStore;
  readonly running: RunningImages;
  readonly database: () => DatabaseState;
  /** VEX statements and waivers of the collector; undefined: not read yet. */
  readonly annotations: () => FleetAnnotations | undefined;
  /** Nodes of the cluster; undefined: there is no cluster. */
  readonly nodePosture?: NodePostureSource | undefined;
  /** The module of the inventory worker. */
  readonly inventoryWorker: URL;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Judges the images of the fleet by the policies of the settings until the signal aborts. Rejects with StartError. */
export async function startPolicyService(options: PolicyServiceOptions): Promise<RunningPolicyService> {
  const { settings, running, clock, log } = options;
  const files = openPolicyFiles({ path: settings.policies, clock, log });
  await files.refresh();
  const publisher = await openSnapshotPublisher({ dataDirectory: settings.dataDir, clock, log });
  let onChange = (): void => undefined;
  const policies = (): readonly ImagePolicy[] => files.current()?.policies.map(({ policy }) => policy) ?? [];
  const access = await registryAccess(settings);
  const watch =
    settings.registries.length === 0
      ? undefined
      : watchRegistries({
          ...options,
          ...access,
          registries: settings.registries,
          intervalMs: settings.registryCheckInterval,
          policies,
          onChange: () => onChange(),
        });
  const registries: RegistrySource = watch ?? NO_REGISTRIES;
  const scans = createImageScans({
    images: options.images,
    registries: settings.registries,
    registry: access,
    worker: options.inventoryWorker,
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    policies,
    onChange: () => onChange(),
    clock,
    log,
    signal: options.signal,
  });
  const judge = startImageJudge({
    ...options,
    policies: files,
    registries,
    scans,
    publisher,
    nodePosture: options.nodePosture,
    path: settings.vulndb,
    maxAgeMs: settings.vulndbMaxAge,
    tagAgeMs: settings.registryCheckInterval,
  });
  onChange = judge.notify;
  const announcements = await openAnnouncements(join(settings.dataDir, ANNOUNCEMENTS_FILE));
  const findSuccessors = createSuccessorSearch({
    ...options,
    registries: settings.registries,
    registry: access,
    scans,
    scanOf: judge.scanOf,
    announcements,
    policies,
  });
  return {
    policies,
    policySet: files.current,
    problems: files.problems,
    verdictsOf: judge.verdictsOf,
    tagsOf: registries.tagsOf,
    tags: registries,
    findingSources: {
      verdictsOf: judge.verdictsOf,
      judgedBy: judge.judgedBy,
      subscribeToVerdicts: judge.subscribeToVerdicts,
      loaded: () => (files.current() === undefined ? undefined : policies()),
      registries,
      clock,
    },
    simulate: (namespace) =>
      simulatePolicies(
        { running, registries, verdictsOf: judge.verdictsOf, policies: policies() },
        { namespace, now: clock.now() },
      ),
    requestScan: scans.request,
    manifestsOf: (imageId) => registries.factsOf(imageId).manifests.map(({ digest }) => digest),
    endOfLifeOf: judge.endOfLifeOf,
    findSuccessors,
    announce: announcements.add,
    scans: scans.states,
    snapshot: publisher.current,
    publicKey: publisher.publicKey,
    keyId: publisher.keyId,
    notify: judge.notify,
    issues: judge.issues,
    over: Promise.all([judge.over, watch?.over, ended(options.signal).then(scans.over)]),
  };
}

/** Credentials and authorities for registries. Rejects with StartError. */
async function registryAccess({ registryCredentials, registryCa }: PolicyServiceOptions['settings']) {
  const docker = registryCredentials === 'none' ? undefined : await loadDockerConfig(registryCredentials);
  if (docker?.ok === false)
    throw new StartError('directory', `registry-credentials: ${docker.reason}`, 'name a config.json of Docker');
  const ca = registryCa === 'system' ? undefined : await readBoundedText(registryCa, MAX_CA_BYTES);
  if (ca?.ok === false)
    throw new StartError('directory', `registry-ca: ${registryCa} ${ca.reason}`, 'name a file with authorities in PEM');
  return { credentials: docker?.credentials ?? anonymous, ca: ca?.text };
}

const ANNOUNCEMENTS_FILE = 'announcements.json';
const MAX_CA_BYTES = 1024 * 1024;

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
