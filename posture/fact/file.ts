import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** What a file is for. A role can be played by several files, or by none. */
export const FILE_ROLES = [
  'azureCloudConfig',
  'containerdBinary',
  'containerdConfig',
  'containerdSocket',
  'daemonJson',
  'defaultDocker',
  'dockerCaCertificate',
  'dockerConfigDirectory',
  'dockerRegistryCertificate',
  'dockerServerCertificate',
  'dockerServerKey',
  'dockerServiceUnit',
  'dockerSocket',
  'dockerSocketUnit',
  'dockerdBinary',
  'kubeProxyKubeconfig',
  'kubeletClientCa',
  'kubeletConfig',
  'kubeletKubeconfig',
  'kubeletUnit',
  'runcBinary',
  'sshHostKey',
  'sshdConfig',
  'sysconfigDocker',
] as const;
/** One of {@link FILE_ROLES}. */
export type FileRole = (typeof FILE_ROLES)[number];

/** Owner and mode after symbolic links were followed inside the host root. */
export const fileStatSchema = s.object({
  realPath: s.string('path after symbolic links were followed', 4096),
  kind: s.oneOf(['file', 'directory', 'socket', 'fifo', 'device', 'other'], 'file type'),
  uid: s.integer('user id of the owner'),
  gid: s.integer('id of the group'),
  mode: s.shownAs('mode', s.integer('permission bits, `mode & 07777`')),
  owner: s.string('user name in the host `/etc/passwd`, otherwise the number', 256),
  group: s.string('group name in the host `/etc/group`, otherwise the number', 256),
});

/** A file whose owner and mode matter. */
export const fileSchema = s.object(
  {
    role: s.oneOf(FILE_ROLES, 'what the file is for'),
    path: s.string('as the configuration names it', 4096),
    stat: observed(fileStatSchema, 'owner, group and mode; absent where the file does not exist'),
    expectedGroup: s.nullable(
      s.string('', 256),
      'for the Docker socket: the group that the daemon is configured to use, null where its configuration could not be read; otherwise empty',
    ),
    expectedMode: s.nullable(
      s.shownAs('mode', s.integer('', 0, 0o7777)),
      'for files of Kubernetes: the permission bits that the benchmark of this node allows; otherwise null',
    ),
  },
  'a file whose owner and mode matter',
);
/** See {@link fileSchema}. */
export type FileFact = s.Infer<typeof fileSchema>;

/** The files of the node that checks judge. */
export const filesSchema = s.list(fileSchema, 'files whose owner and mode matter', 4096);
/** See {@link filesSchema}. */
export type FilesFact = s.Infer<typeof filesSchema>;
