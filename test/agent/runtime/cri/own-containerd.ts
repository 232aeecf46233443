import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKubelet } from './kubelet.ts';
import type { Kubelet } from './kubelet.ts';

/** The image of test containers: a static busybox with sh, sleep, cat and id. */
export const POD_IMAGE = 'docker.io/plimsoll-test/busybox:1';
const PAUSE_IMAGE = 'docker.io/plimsoll-test/pause:1';

/** A runtime handler whose name says nothing: gVisor, where it is installed. */
export const GVISOR_HANDLER = 'untrusted';

/** A containerd of the test's own, with its CRI plugin, and what a kubelet would start on it. */
export interface OwnContainerd extends Kubelet {
  readonly pid: number;
  readonly directory: string;
  readonly socketPath: string;
  readonly endpoint: string;
  /** Id of {@link POD_IMAGE}: the digest of its configuration. */
  readonly imageId: string;
  /** Runs `ctr` on it; answers what it printed. */
  readonly ctr: (...args: readonly string[]) => string;
  /** First process of a container, as containerd itself lists it. */
  readonly task: (id: string) => number;
  /** Ends the daemon alone, its containers run on. */
  readonly kill: () => Promise<void>;
  /** Starts the daemon again after `kill`. */
  readonly restart: () => Promise<void>;
  /** Removes all pods and what they left, and ends the daemon. */
  readonly stop: () => Promise<void>;
}

/** The shim of runc has no options for the arguments of another OCI runtime. */
const GVISOR = '#!/bin/sh\nexec runsc --network=none --ignore-cgroups --platform=ptrace "$@"\n';

const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));

/** Why no containerd can be started here; false where it can. For the `skip` option of a test. */
export const noContainerd: string | false = whyNot();

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'needs root to start a containerd';
  if (busybox === undefined) return 'no static busybox to make an image of';
  const missing = ['containerd', 'ctr', 'runc'].find(
    (program) => spawnSync(program, ['--version']).error !== undefined,
  );
  return missing === undefined ? false : `${missing} is not installed`;
}

/** Starts a containerd whose socket, data and cgroups are its own. */
export async function startContainerd(): Promise<OwnContainerd> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-containerd-'));
  const socketPath = join(directory, 'containerd.sock');
  writeFileSync(join(directory, 'config.toml'), configuration(directory));
  writeFileSync(join(directory, 'gvisor'), GVISOR, { mode: 0o755 });
  let daemon = await launch(directory, socketPath);
  const ctr = (...args: readonly string[]): string =>
    execFileSync('ctr', ['-a', socketPath, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const archive = join(directory, 'images.tar');
  const imageId = packImages(join(directory, 'images'), archive);
  ctr('-n', 'k8s.io', 'images', 'import', archive);
  // The kubelet of another cluster on this machine ends what is below /kubepods.
  const cgroup = `/plimsoll-test-${String(process.pid)}/kubepods`;
  const kubelet = createKubelet({ socketPath, cgroup, image: POD_IMAGE, logDirectory: join(directory, 'logs') });
  const kill = async (): Promise<void> => {
    daemon.child.kill('SIGKILL');
    await daemon.exited;
  };
  return {
    ...kubelet,
    get pid() {
      return daemon.child.pid ?? 0;
    },
    directory,
    socketPath,
    endpoint: `unix://${socketPath}`,
    imageId,
    ctr,
    task: (id) => Number(new RegExp(`^${id}\\s+(\\d+)`, 'm').exec(ctr('-n', 'k8s.io', 'tasks', 'ls'))?.[1]),
    kill,
    restart: async () => {
      daemon = await launch(directory, socketPath);
    },
    stop: async () => {
      await kubelet.removePods();
      kubelet.close();
      daemon.child.kill('SIGTERM');
      await daemon.exited;
      unmountBelow(directory);
      removeCgroups(`plimsoll-test-${String(process.pid)}`);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface Daemon {
  readonly child: ReturnType<typeof spawn>;
  readonly exited: Promise<void>;
}

async function launch(directory: string, socketPath: string): Promise<Daemon> {
  const child = spawn('containerd', ['--config', join(directory, 'config.toml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-4000);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const plugins = ['-a', socketPath, 'plugins', 'ls'];
  for (let attempt = 0; ; attempt += 1) {
    const listed = spawnSync('ctr', plugins, { encoding: 'utf8' });
    if (/io\.containerd\.grpc\.v1\s+cri\s.*\sok/.test(listed.stdout)) return { child, exited };
    if (child.exitCode !== null || attempt > 200) throw new Error(`containerd did not start: ${said}`);
    await sleep(50);
  }
}

function configuration(directory: string): string {
  return `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "${directory}/containerd.sock"
[ttrpc]
  address = "${directory}/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "${directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${directory}/cni"
    conf_dir = "${directory}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${GVISOR_HANDLER}]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${GVISOR_HANDLER}.options]
        BinaryName = "${directory}/gvisor"
`;
}

/** Writes the images as `docker save` does; answers the id of the first. */
function packImages(directory: string, archive: string): string {
  const root = join(directory, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, 'etc'));
  cpSync(busybox ?? '', join(root, 'bin', 'busybox'));
  for (const name of ['sh', 'sleep', 'cat', 'id']) symlinkSync('busybox', join(root, 'bin', name));
  writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n');
  execFileSync('tar', ['-C', root, '-cf', join(directory, 'layer.tar'), '.']);
  const layer = `sha256:${sha256(readFileSync(join(directory, 'layer.tar')))}`;
  const write = (config: object): string => {
    const text = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [layer] },
      ...config,
    });
    const id = sha256(Buffer.from(text));
    writeFileSync(join(directory, `${id}.json`), text);
    return id;
  };
  const history = [
    { created_by: '/bin/sh -c #(nop) ADD file:1 in /' },
    { created_by: '/bin/sh -c API_TOKEN=ghp_0123456789abcdefghijklmnopqrstuvwxyz /install', empty_layer: true },
  ];
  const image = write({ created: '2026-01-02T03:04:05Z', config: { User: 'app', Env: ['PATH=/bin'] }, history });
  const pause = write({ config: { Entrypoint: ['/bin/sleep', '100000'], Env: ['PATH=/bin'] } });
  const entry = (id: string, tag: string): object => ({ Config: `${id}.json`, RepoTags: [tag], Layers: ['layer.tar'] });
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify([entry(image, POD_IMAGE), entry(pause, PAUSE_IMAGE)]));
  const names = ['manifest.json', `${image}.json`, `${pause}.json`, 'layer.tar'];
  execFileSync('tar', ['-C', directory, '-cf', archive, ...names]);
  return `sha256:${image}`;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function unmountBelow(directory: string): void {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${directory}/`));
  for (const point of points.toReversed()) spawnSync('umount', ['-l', point], { stdio: 'ignore' });
}

/** Below each hierarchy, or the only one. */
function removeCgroups(name: string): void {
  spawnSync('sh', [
    '-c',
    `find /sys/fs/cgroup -maxdepth 6 -depth -type d -path "*/${name}*" -exec rmdir {} + 2>/dev/null`,
  ]);
}
