import { X509Certificate } from 'node:crypto';
import type Docker from 'dockerode';
import * as s from '../../../posture/schema.ts';
import { absent, mapObserved, seen } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { MAX_SWARM_ITEMS } from '../../../posture/fact/swarm.ts';
import type { Swarm, SwarmCluster } from '../../../posture/fact/swarm.ts';
import { secretVariables } from '../../../posture/redaction/secret-variables.ts';
import { clip } from '../../inspector/clip.ts';
import { observeReply } from '../runtime.ts';
import type { infoSchema } from './engine.ts';
import { parseReply } from './reply.ts';
import type { RawReply } from './reply.ts';

const text = s.withDefault(s.string(), '');
const flag = s.withDefault(s.boolean(), false);
const NANOSECONDS_A_DAY = 86_400e9;

/** What is read of `GET /swarm`; the join tokens in it are not. */
const clusterSchema = s.object({
  Spec: s.object({
    CAConfig: s.object({ NodeCertExpiry: s.number() }),
    EncryptionConfig: s.object({ AutoLockManagers: flag }),
  }),
  TLSInfo: s.nullable(s.object({ TrustRoot: text })),
  RootRotationInProgress: flag,
});

/** What is read of `GET /networks`. */
const networksSchema = s.list(
  s.object({ Name: text, Ingress: flag, Options: s.withDefault(s.record(s.string()), {}) }),
  '',
  MAX_SWARM_ITEMS,
);

/** What is read of `GET /services`. Values of the environment are judged and dropped. */
const servicesSchema = s.list(
  s.object({
    Spec: s.object({
      Name: text,
      TaskTemplate: s.object({
        ContainerSpec: s.nullable(s.object({ Env: s.withDefault(s.list(s.string()), []) })),
      }),
    }),
  }),
  '',
  MAX_SWARM_ITEMS,
);

/** The swarm of an engine; absent where it is in none. Each call is a GET. */
export async function readSwarm(
  docker: Docker,
  { Swarm: swarm }: s.Infer<typeof infoSchema>,
): Promise<Observed<Swarm>> {
  if (swarm?.LocalNodeState !== 'active') return absent('GET /info Swarm');
  const { NodeAddr, ControlAvailable: isManager, Managers: managers } = swarm;
  // dockerode hands over what the modem answers.
  const networks = docker.listNetworks({ filters: { driver: ['overlay'] } }) as unknown as Promise<RawReply>;
  const overlays = observeReply(parseReply(await networks, networksSchema, 'GET /networks'));
  const common = {
    nodeAddress: clip(NodeAddr, 256),
    isManager,
    overlays: mapObserved(overlays, (all) =>
      all
        .map(({ Name, Ingress, Options }) => ({
          name: clip(Name, 256),
          // The option counts by its presence: libnetwork, drivers/overlay.
          encrypted: Object.hasOwn(Options, 'encrypted'),
          ingress: Ingress,
        }))
        // The engine lists them in any order.
        .toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    ),
  };
  const none = absent('GET /info Swarm.ControlAvailable');
  if (!isManager) return seen({ ...common, cluster: none, serviceSecrets: none }, 'GET /info Swarm');
  const [cluster, services] = await Promise.all([
    docker.swarmInspect() as Promise<unknown> as Promise<RawReply>,
    docker.listServices() as Promise<unknown> as Promise<RawReply>,
  ]);
  return seen(
    {
      ...common,
      cluster: mapObserved(observeReply(parseReply(cluster, clusterSchema, 'GET /swarm')), (value) =>
        toCluster(value, managers),
      ),
      serviceSecrets: mapObserved(observeReply(parseReply(services, servicesSchema, 'GET /services')), toSecrets),
    },
    'GET /info Swarm',
  );
}

function toCluster(
  { Spec, TLSInfo, RootRotationInProgress }: s.Infer<typeof clusterSchema>,
  managers: number,
): SwarmCluster {
  const root = datesOf(TLSInfo?.TrustRoot ?? '');
  return {
    managers,
    autoLock: Spec.EncryptionConfig.AutoLockManagers,
    certificateDays: Spec.CAConfig.NodeCertExpiry / NANOSECONDS_A_DAY,
    rootIssuedAtMs: root?.from ?? null,
    rootExpiresAtMs: root?.to ?? null,
    rotating: RootRotationInProgress,
  };
}

function datesOf(pem: string): { readonly from: number; readonly to: number } | undefined {
  try {
    const { validFrom, validTo } = new X509Certificate(pem);
    const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
    return Number.isNaN(from) || Number.isNaN(to) ? undefined : { from, to };
  } catch {
    return undefined;
  }
}

function toSecrets(
  services: s.Infer<typeof servicesSchema>,
): readonly { service: string; variables: readonly string[] }[] {
  const sorted = services.toSorted((one, other) => (one.Spec.Name < other.Spec.Name ? -1 : 1));
  return sorted.flatMap(({ Spec: { Name, TaskTemplate } }) => {
    const found = secretVariables(TaskTemplate.ContainerSpec?.Env ?? [], 'GET /services');
    const variables = found.state === 'seen' ? found.value : ['(an environment of more than 2 MiB)'];
    return variables.length === 0 ? [] : [{ service: clip(Name, 256), variables }];
  });
}
