/** The part of systeminformation that is loaded by itself; the package describes only the whole. */
declare module 'systeminformation/lib/memory.js' {
  import type { Systeminformation } from 'systeminformation';
  /** Memory in bytes, from `/proc/meminfo`. */
  export function mem(): Promise<Systeminformation.MemData>;
}
