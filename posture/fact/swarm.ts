import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** Services and networks of a swarm that are kept. */
export const MAX_SWARM_ITEMS = 10_000;

/** What only a manager can say of the swarm as a whole. */
const clusterSchema = s.object({
  managers: s.integer('managers of the swarm'),
  autoLock: s.boolean('EncryptionConfig.AutoLockManagers'),
  certificateDays: s.number('CAConfig.NodeCertExpiry: how long certificates of nodes are valid, in days'),
  rootIssuedAtMs: s.nullable(s.integer('when the root certificate was issued, milliseconds since 1970')),
  rootExpiresAtMs: s.nullable(s.integer('when it ends')),
  rotating: s.boolean('RootRotationInProgress'),
});
/** See {@link clusterSchema}. */
export type SwarmCluster = s.Infer<typeof clusterSchema>;

/** The swarm that an engine is part of. */
export const swarmSchema = s.object({
  nodeAddress: s.string('address that other nodes of the swarm use', 256),
  isManager: s.boolean('whether it is a manager'),
  cluster: observed(clusterSchema, '`GET /swarm`; absent on a worker'),
  overlays: observed(
    s.list(
      s.object({
        name: s.string('of the network', 256),
        encrypted: s.boolean('has the option `encrypted`'),
        ingress: s.boolean('the network of the swarm that published ports arrive on'),
      }),
      '',
      MAX_SWARM_ITEMS,
    ),
    'overlay networks; on a worker those with a container on it',
  ),
  serviceSecrets: observed(
    s.list(
      s.object({
        service: s.string('name of the service', 256),
        variables: s.list(s.string('', 256), 'names of variables whose value is a secret; no value is kept', 256),
      }),
      '',
      MAX_SWARM_ITEMS,
    ),
    'services with secrets in their environment; absent on a worker',
  ),
});
/** See {@link swarmSchema}. */
export type Swarm = s.Infer<typeof swarmSchema>;
