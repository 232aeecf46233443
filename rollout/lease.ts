import type { KubernetesApi } from '../kubernetes/api-client.ts';
import * as s from '../posture/schema.ts';
import type { ConfigMapReference } from '../service/config/kind.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';

/** A Lease of coordination.k8s.io/v1 that one of several processes holds at a time. */
export interface HeldLease {
  /** Whether this process holds it, and will for the next seconds. */
  readonly isHeld: () => boolean;
  /** Resolves once the signal has aborted and the lease was given back. */
  readonly over: Promise<void>;
}

/** What a lease needs. */
export interface LeaseOptions {
  readonly api: Pick<KubernetesApi, 'get' | 'create' | 'patch'>;
  readonly lease: ConfigMapReference;
  /** Differs from process to process. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** As in the leader election of client-go: the holder renews often, and stops well before others may take over. */
const DURATION_MS = 30_000;
const RENEW_MS = 5_000;
const HELD_MS = 20_000;

const leaseSchema = s.object({
  metadata: s.object({ resourceVersion: s.string('', 64) }),
  spec: s.withDefault(
    s.object({
      holderIdentity: s.withDefault(s.string('', 512), ''),
      renewTime: s.withDefault(s.string('', 64), ''),
      leaseTransitions: s.withDefault(s.integer('', 0), 0),
    }),
    { holderIdentity: '', renewTime: '', leaseTransitions: 0 },
  ),
});
type LeaseObject = s.Infer<typeof leaseSchema>;

/**
 * Tries to get and keep the lease until `signal` aborts. A holder that does not renew is judged by this process's own
 * clock: how long the lease was not seen to change.
 */
export function keepLease({ api, lease, identity, clock, log, signal }: LeaseOptions): HeldLease {
  const list = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(lease.namespace)}/leases`;
  const path = `${list}/${encodeURIComponent(lease.name)}`;
  let renewedMs = -Infinity;
  let seen = { version: '', atMs: -Infinity };
  let problem = '';
  const isHeld = (): boolean => clock.monotonic() - renewedMs < HELD_MS;
  const now = (): string => new Date(clock.now()).toISOString().replace('Z', '000Z');
  const note = (reason: string): void => {
    if (reason !== '' && reason !== problem)
      log.warn({ lease: path, reason }, 'this process does not get the lease, and does nothing until it does');
    problem = reason;
  };
  const write = (object: LeaseObject, holderIdentity: string) => {
    const isNew = object.spec.holderIdentity !== holderIdentity;
    return api.patch(
      path,
      {
        metadata: { resourceVersion: object.metadata.resourceVersion },
        spec: {
          holderIdentity,
          leaseDurationSeconds: DURATION_MS / 1000,
          renewTime: now(),
          ...(isNew ? { acquireTime: now(), leaseTransitions: object.spec.leaseTransitions + 1 } : {}),
        },
      },
      leaseSchema,
    );
  };
  const attempt = async (): Promise<void> => {
    const startMs = clock.monotonic();
    const got = await api.get(path, leaseSchema);
    if (!got.ok && got.code === 'notFound') {
      const times = { acquireTime: now(), renewTime: now() };
      const spec = {
        holderIdentity: identity,
        leaseDurationSeconds: DURATION_MS / 1000,
        leaseTransitions: 0,
        ...times,
      };
      const kind = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
      const created = await api.create(list, { ...kind, metadata: { name: lease.name }, spec }, leaseSchema);
      if (created.ok) {
        renewedMs = startMs;
        log.info({ lease: path }, 'this process is the leader');
      }
      if (!created.ok && created.code === 'notFound')
        return note(
          `${created.reason}: create the namespace ${lease.namespace}, or name another lease with --rollout-lease NAMESPACE/NAME`,
        );
      return note(created.ok || created.code === 'conflict' ? '' : created.reason);
    }
    if (!got.ok) return note(got.reason);
    const { metadata, spec } = got.value;
    if (metadata.resourceVersion !== seen.version) seen = { version: metadata.resourceVersion, atMs: startMs };
    const isFree = spec.holderIdentity === '' || clock.monotonic() - seen.atMs > DURATION_MS;
    if (spec.holderIdentity !== identity && !isFree) return note('');
    const wasHeld = isHeld();
    const written = await write(got.value, identity);
    if (written.ok) {
      renewedMs = startMs;
      if (!wasHeld) log.info({ lease: path }, 'this process is the leader');
    }
    return note(written.ok || written.code === 'conflict' ? '' : written.reason);
  };
  const release = async (): Promise<void> => {
    if (!isHeld()) return;
    renewedMs = -Infinity;
    const got = await api.get(path, leaseSchema);
    if (got.ok && got.value.spec.holderIdentity === identity) await write(got.value, '');
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await attempt();
      await sleep(clock, RENEW_MS, signal);
    }
    await release();
  };
  return { isHeld, over: run() };
}
