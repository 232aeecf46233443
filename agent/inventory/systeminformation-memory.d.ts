/** The part of systeminformation that is loaded by itself; the package describes only the whole. */
declare module 'systeminformation/lib/memory.js' {
  import type { Systeminformation } from 'systeminformation';
  const memory: {
    /** Memory in bytes, from `/proc/meminfo`. */
    readonly mem: () => Promise<Systeminformation.MemData>;
  };
  export default memory;
}
