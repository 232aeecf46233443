import { statfs } from 'node:fs/promises';
import { ok, problem, warning } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { nearestExisting } from '../place.ts';

/** f_type of statfs(2), from linux/magic.h and the file systems' own headers. */
const NETWORK = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9p'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x19830326, 'BeeGFS'],
  [0x47504653, 'GPFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
]);
const FLEETING = new Map([
  [0x01021994, 'tmpfs: it is gone after a restart of the machine'],
  [0x858458f6, 'ramfs: it is gone after a restart of the machine, and grows without bound'],
  [0x794c7630, 'overlayfs: in a container it is gone with the container'],
]);
/** Made of what the kernel knows: nothing can be kept there, although access(2) lets root write. */
const VIRTUAL = new Map([
  [0x9fa0, 'procfs'],
  [0x62656572, 'sysfs'],
  [0x27e0eb, 'cgroupfs'],
  [0x63677270, 'cgroupfs'],
]);
const FUSE = 0x65735546;

/** Is the data directory on a file system that a database can trust? */
export const dataFileSystem: InstallationDiagnostic = Object.freeze({
  id: 'data.file-system',
  group: 'data directory',
  title: 'file system',
  run: async ({ collector: { dataDir } }: Installation) => {
    // Sign-extended on 32-bit systems.
    const type = (await statfs(await nearestExisting(dataDir))).type >>> 0;
    const network = NETWORK.get(type);
    if (network !== undefined)
      return problem(
        `${network}, over a network: SQLite's write-ahead log needs memory that all its users share`,
        'choose a directory on a disk of this machine: --data-dir DIR',
      );
    const virtual = VIRTUAL.get(type);
    if (virtual !== undefined) return problem(`${virtual}: it keeps no files`, 'choose another: --data-dir DIR');
    const fleeting = FLEETING.get(type);
    if (fleeting !== undefined) return warning(fleeting, 'choose a directory that lasts: a disk, or a mounted volume');
    if (type === FUSE)
      return warning(
        'FUSE: it depends on the program behind it whether what was written is kept',
        'choose a directory on a disk of this machine, unless you know it to be one',
      );
    return ok('of this machine');
  },
});
