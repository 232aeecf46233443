/** A request whose body is read. */
export interface Reservation {
  /** Of its peer; see `networkOf`. */
  readonly network: string;
  /** What it announces. */
  readonly bytes: number;
  /** Others need the bytes more: refuse it now. */
  readonly cut: () => void;
}

/**
 * Bounds the bytes of all requests that are being read. They are reserved before they arrive, and where they do not fit,
 * the greediest request is cut and not the newest: the largest one of those networks that have more than an equal share.
 */
export interface BodyBudget {
  /** Undefined: it is the greediest itself. The result must be called once the request was answered. */
  readonly reserve: (reservation: Reservation) => (() => void) | undefined;
}

/** An unused budget of `maxBytes`. No request may announce more. */
export function createBodyBudget(maxBytes: number): BodyBudget {
  /** By network, the oldest first. */
  const reserved = new Map<string, Set<Reservation>>();
  let total = 0;
  const release = (one: Reservation): void => {
    const own = reserved.get(one.network);
    if (own?.delete(one) !== true) return;
    if (own.size === 0) reserved.delete(one.network);
    total -= one.bytes;
  };
  return {
    reserve: (newest) => {
      const own = reserved.get(newest.network) ?? new Set();
      reserved.set(newest.network, own.add(newest));
      total += newest.bytes;
      while (total > maxBytes) {
        const greediest = greediestOf(reserved, total) ?? newest;
        release(greediest);
        if (greediest === newest) return undefined;
        greediest.cut();
      }
      return () => release(newest);
    },
  };
}

function greediestOf(reserved: ReadonlyMap<string, ReadonlySet<Reservation>>, total: number): Reservation | undefined {
  const share = total / reserved.size;
  let greediest: Reservation | undefined;
  for (const own of reserved.values()) {
    let bytes = 0;
    for (const one of own) bytes += one.bytes;
    if (bytes < share) continue;
    for (const one of own) if (greediest === undefined || one.bytes >= greediest.bytes) greediest = one;
  }
  return greediest;
}
