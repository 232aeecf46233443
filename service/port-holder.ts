/** A process that listens on a port; what may not be seen of it is undefined. */
export interface PortHolder {
  readonly address: string;
  readonly pid: number | undefined;
  readonly name: string | undefined;
}

/** All that listen on a port, or why that cannot be seen. */
export type PortHolders =
  { readonly ok: true; readonly holders: readonly PortHolder[] } | { readonly ok: false; readonly reason: string };
