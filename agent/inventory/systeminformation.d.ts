/** The parts of systeminformation that are loaded one by one; the package describes only the whole. */
declare module 'systeminformation/lib/memory.js' {
  import type { Systeminformation } from 'systeminformation';
  const memory: {
    /** Memory in bytes, from `/proc/meminfo`. */
    readonly mem: () => Promise<Systeminformation.MemData>;
  };
  export default memory;
}

declare module 'systeminformation/lib/filesystem.js' {
  import type { Systeminformation } from 'systeminformation';
  const filesystem: {
    /** File handles, from `/proc/sys/fs/file-nr`. */
    readonly fsOpenFiles: () => Promise<Systeminformation.FsOpenFilesData>;
  };
  export default filesystem;
}
