import type { ListingFailure } from './cluster-node.ts';

/** A field of a webhook configuration that is not as this version declares it. */
export interface WebhookDifference {
  /** `pods.plimsoll.dev: failurePolicy` */
  readonly field: string;
  readonly seen: string;
  readonly expected: string;
}

/** A namespace whose pods the webhook is not asked about. */
export interface ExemptNamespace {
  readonly name: string;
  /** The label or expression that leaves it out. */
  readonly because: string;
}

/**
 * How the admission webhook is registered at the API server of a cluster, as the collector reads it there. Agents do not
 * have this fact.
 */
export interface ClusterAdmission {
  /** Name of the webhook configurations. */
  readonly configuration: string;
  /** `absent`: the validating configuration was there before and is not any more. */
  readonly webhook:
    | { readonly state: 'absent' }
    | { readonly state: 'registered'; readonly differences: readonly WebhookDifference[] }
    | ({ readonly state: 'unreadable' } & ListingFailure);
  /** Namespaces that are left out and that the settings do not name; at most 1,000. */
  readonly exempt:
    | { readonly state: 'read'; readonly namespaces: readonly ExemptNamespace[] }
    | ({ readonly state: 'unreadable' } & ListingFailure);
}
