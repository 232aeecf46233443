/** CPU time over the last minute. */
export interface CpuWindow {
  /** Takes a reading in; answers thousandths of a core, or undefined while the readings span less than a minute. */
  readonly add: (atMs: number, cpuMs: number) => number | undefined;
}

const WINDOW_MS = 60_000;

/** A window without readings. `atMs` is on the monotonic clock. */
export function createCpuWindow(): CpuWindow {
  let readings: readonly { readonly atMs: number; readonly cpuMs: number }[] = [];
  return {
    add: (atMs, cpuMs) => {
      readings = [...readings, { atMs, cpuMs }];
      // The newest of those that are a minute old or older begins the window.
      const begin = readings.findLastIndex((reading) => reading.atMs <= atMs - WINDOW_MS);
      if (begin === -1) return undefined;
      readings = readings.slice(begin);
      const first = readings[0];
      return first === undefined ? undefined : Math.round((1000 * (cpuMs - first.cpuMs)) / (atMs - first.atMs));
    },
  };
}
