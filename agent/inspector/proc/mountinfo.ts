/**
 * `/proc/PID/mountinfo`, proc_pid_mountinfo(5):
 *
 *     36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 *     id parent major:minor root mount-point options optional-fields… - type source super-options
 *
 * Space, tab, newline and backslash within a field are written as `\040`, `\011`, `\012` and `\134`.
 */
export interface MountEntry {
  readonly id: number;
  /** Id of the mount that this one is mounted on. */
  readonly parent: number;
  readonly device: string;
  /** Path within the mounted file system that is visible at the mount point. */
  readonly root: string;
  readonly mountPoint: string;
  readonly readOnly: boolean;
  /** Options of this mount, such as `rw,nosuid`; another mount of the same file system can have other options. */
  readonly options: string;
  /** Number of the peer group (`shared:N`) that it propagates to; 0: none. */
  readonly peerGroup: number;
  readonly fsType: string;
  readonly source: string;
  readonly superOptions: string;
}

/** All mounts in order; a line that is not understood is left out. */
export function parseMountinfo(text: string): readonly MountEntry[] {
  const entries: MountEntry[] = [];
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const entry = parseLine(text.slice(start, end));
    if (entry !== undefined) entries.push(entry);
    start = end + 1;
  }
  return entries;
}

function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ');
  const [id, parent, device, root, mountPoint, options] = fields;
  // The separator is the first lone dash after the options; a path is never just a dash.
  const separator = fields.indexOf('-', 6);
  if (device === undefined || root === undefined || mountPoint === undefined || options === undefined) return undefined;
  const fsType = fields[separator + 1];
  if (separator === -1 || fsType === undefined) return undefined;
  let peerGroup = 0;
  for (let index = 6; index < separator; index += 1)
    if (fields[index]?.startsWith('shared:') === true) peerGroup = Number(fields[index]?.slice('shared:'.length));
  return {
    id: Number(id),
    parent: Number(parent),
    device,
    root: unescape(root),
    mountPoint: unescape(mountPoint),
    options,
    readOnly: options === 'ro' || options.startsWith('ro,'),
    peerGroup,
    fsType,
    source: unescape(fields[separator + 2] ?? ''),
    superOptions: fields[separator + 3] ?? '',
  };
}

function unescape(field: string): string {
  if (!field.includes('\\')) return field;
  return field.replaceAll(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/**
 * The layers of an overlay with absolute paths, overlayfs.rst: `lowerdir=/a:/b,upperdir=/c`. A colon, comma or backslash
 * within a path has a backslash before it.
 */
export function overlayLayers(superOptions: string): readonly string[] {
  const layers: string[] = [];
  for (const option of unescape(superOptions).split(/(?<!\\),/)) {
    const value = /^(?:lowerdir\+?|datadir\+|upperdir)=(.*)$/.exec(option)?.[1];
    if (value !== undefined) layers.push(...value.split(/(?<!\\):+/).map((path) => path.replaceAll(/\\(.)/g, '$1')));
  }
  return layers.filter((path) => path.startsWith('/'));
}
