import type { Test } from 'tap';
import { admits, dryRun, noticesMovedTag, refusesImages, shopPod, stockShop } from './admission-scenarios.ts';
import type { Catalogue } from './admission-scenarios.ts';
import { findsBypasses, findsTampering } from './bypass-scenarios.ts';
import type { Cluster } from './cluster.ts';
import type { Deployment } from './deployment.ts';
import {
  collectorEnvironment,
  deployEnforcement,
  prepareSupply,
  removeEnforcement,
  writeCollectorFiles,
} from './enforcement.ts';
import type { Supply } from './enforcement.ts';
import { answersWithoutCollector } from './outage-scenarios.ts';
import {
  changesLeader,
  replacesImages,
  responds,
  rolloutPolicies,
  startReceiver,
  startWorkloads,
} from './rollout-scenarios.ts';

/** What runs in the cluster before Plimsoll does. */
export interface Workloads {
  readonly supply: Supply;
  readonly catalogue: Catalogue;
  /** Settings of the collector. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Starts a registry, and pods from its images. They run before the agent does: on a machine that mounts nothing as shared,
 * it can read the layers of these containers only.
 */
export async function startShopAndWorkloads(t: Test, cluster: Cluster): Promise<Workloads> {
  const supply = await prepareSupply(t);
  await writeCollectorFiles(supply);
  const [catalogue] = await Promise.all([stockShop(cluster, supply), startWorkloads(cluster, supply)]);
  return { supply, catalogue, environment: collectorEnvironment(supply) };
}

type Scenario = (t: Test) => Promise<void>;

/** What the deployed admission webhook and rollouts show. */
export interface EnforcementScenarios {
  /** What must not run is refused, and a tag that was moved is noticed. */
  readonly judges: Scenario;
  /** What passes the webhook by is found. */
  readonly findsBypasses: Scenario;
  readonly replacesImages: Scenario;
  readonly responds: Scenario;
  readonly changesLeader: Scenario;
  /** For a collector that is down. */
  readonly answersWithoutCollector: Scenario;
  readonly findsTampering: Scenario;
  readonly remove: () => Promise<void>;
}

/** Deploys admission webhook and rollouts as pods. */
export async function deployScenarios(
  t: Test,
  plimsoll: Deployment,
  { supply, catalogue }: Workloads,
): Promise<EnforcementScenarios> {
  const receiver = await startReceiver(t);
  t.teardown(() => removeEnforcement(plimsoll.cluster));
  const enforcement = await deployEnforcement(t, plimsoll, {
    supply,
    rolloutPolicies: rolloutPolicies(receiver.url),
    webhookCa: receiver.ca,
  });
  const { good, unsigned, vulnerable, aged } = catalogue.images;
  return {
    judges: async (t) => {
      await enforcement.scan(good, unsigned, vulnerable, aged);
      t.match(await dryRun(enforcement, shopPod('aged', aged)), { code: 0 }, 'a scan that is not too old');
      await refusesImages(t, enforcement, catalogue);
      await admits(t, enforcement, catalogue);
      await noticesMovedTag(t, enforcement, catalogue);
    },
    findsBypasses: (t) => findsBypasses(t, enforcement),
    replacesImages: (t) => replacesImages(t, enforcement, receiver),
    responds: (t) => responds(t, enforcement),
    changesLeader: (t) => changesLeader(t, enforcement),
    answersWithoutCollector: (t) => answersWithoutCollector(t, enforcement, catalogue),
    findsTampering: (t) => findsTampering(t, enforcement, good),
    remove: () => removeEnforcement(plimsoll.cluster),
  };
}
