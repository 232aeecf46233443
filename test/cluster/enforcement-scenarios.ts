import type { Test } from 'tap';
import { admits, noticesMovedTag, refusesImages, stockShop } from './admission-scenarios.ts';
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

/** Admission webhook and rollouts as pods: what they refuse and replace, and what passes them by. */
export async function enforces(t: Test, plimsoll: Deployment, { supply, catalogue }: Workloads): Promise<void> {
  const receiver = await startReceiver(t);
  t.teardown(() => removeEnforcement(plimsoll.cluster));
  const enforcement = await deployEnforcement(t, plimsoll, {
    supply,
    rolloutPolicies: rolloutPolicies(receiver.url),
    webhookCa: receiver.ca,
  });
  // Most of the time is waiting.
  t.jobs = 4;
  const scenario = (name: string, run: (t: Test) => Promise<void>) =>
    t.test(name, { buffered: true, timeout: 500_000 }, async (t) => {
      const beganMs = Date.now();
      await run(t);
      t.comment(`took ${((Date.now() - beganMs) / 1000).toFixed(1)} s`);
    });
  await Promise.all([
    scenario('images and pods that must not run are refused', async (t) => {
      const { good, unsigned, vulnerable, aged } = catalogue.images;
      await enforcement.scan(good, unsigned, vulnerable, aged);
      await refusesImages(t, enforcement, catalogue);
      await admits(t, enforcement, catalogue);
      await noticesMovedTag(t, enforcement, catalogue);
    }),
    scenario('what passes the webhook by is found', (t) => findsBypasses(t, enforcement)),
    scenario('vulnerable images are replaced', (t) => replacesImages(t, enforcement, receiver)),
    scenario('failed checks are responded to', (t) => responds(t, enforcement)),
  ]);
  await Promise.all([
    scenario('the leader of rollouts is killed', (t) => changesLeader(t, enforcement)),
    scenario('the webhook is unregistered', (t) => findsTampering(t, enforcement, catalogue.images.good)),
  ]);
  await removeEnforcement(plimsoll.cluster);
  await plimsoll.ready();
}
