/** Since when the list of nodes cannot be read, and why. */
export interface ListingFailure {
  readonly sinceMs: number;
  readonly reason: string;
}

/**
 * A node of a Kubernetes cluster from which no agent has reported, as the collector knows it from the API server. Agents
 * do not have this fact.
 */
export interface ClusterNode {
  /** Uid of the Node object. */
  readonly id: string;
  readonly name: string;
  /** Label `kubernetes.io/os`, which the node itself may set; empty: not set, or not known. */
  readonly operatingSystem: string;
  /** When it was first listed without an agent; milliseconds since 1970. */
  readonly missingSinceMs: number;
  /** Undefined: the node was in the last list. */
  readonly failure?: ListingFailure;
}
