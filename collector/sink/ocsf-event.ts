/** An event as sinks write it: plain JSON. */
export type OcsfEvent = Readonly<Record<string, unknown>>;
