import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { noContainerd, startContainerd } from '../../runtime/cri/own-containerd.ts';
import type { OwnContainerd } from '../../runtime/cri/own-containerd.ts';
import { freePort } from '../../../fixture/free-port.ts';

const PROGRAM = `${process.env['CLUSTER_STATE'] ?? '/var/tmp/test-cluster'}/bin/kubelet`;
const DEADLINE_MS = 60_000;

/** Why no kubelet can be started here; false where it can. For the `skip` option of a test. */
export const noKubeletProgram: string | false =
  noContainerd === false && !existsSync(PROGRAM) ? 'the test cluster has not unpacked its kubelet' : noContainerd;

/** A kubelet without a cluster, on a containerd of its own. */
export interface OwnKubelet {
  readonly pid: number;
  /** What it says of its own configuration: `GET /configz`. */
  readonly configz: Readonly<Record<string, unknown>>;
  readonly stop: () => Promise<void>;
}

/** Starts kubelets one after the other, each with a directory of its own. */
export async function startKubelets(): Promise<{
  readonly start: (args: (directory: string) => readonly string[]) => Promise<OwnKubelet>;
  readonly stop: () => Promise<void>;
}> {
  const containerd = await startContainerd();
  return { start: (args) => startKubelet(containerd, args), stop: containerd.stop };
}

/** Anonymous requests and AlwaysAllow must hold: who else could ask a kubelet without a cluster? */
async function startKubelet(
  { endpoint }: OwnContainerd,
  argsOf: (directory: string) => readonly string[],
): Promise<OwnKubelet> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-kubelet-'));
  const port = String(await freePort());
  const log = openSync(join(directory, 'log'), 'w');
  const args = [
    '--container-runtime=remote',
    `--container-runtime-endpoint=${endpoint}`,
    `--image-service-endpoint=${endpoint}`,
    `--root-dir=${directory}/root`,
    `--cert-dir=${directory}/pki`,
    `--volume-plugin-dir=${directory}/plugins`,
    '--address=127.0.0.1',
    `--port=${port}`,
    '--healthz-port=0',
    '--fail-swap-on=false',
    '--cgroups-per-qos=false',
    '--enforce-node-allocatable=',
    ...argsOf(directory),
  ];
  const child = spawn(PROGRAM, args, { stdio: ['ignore', log, log] });
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    // It mounts its directory, unless it ended before.
    spawnSync('umount', ['--lazy', join(directory, 'root')]);
    rmSync(directory, { recursive: true, force: true });
  };
  for (const endMs = Date.now() + DEADLINE_MS; Date.now() < endMs && child.exitCode === null; await sleep(250)) {
    const answer = ask(`https://127.0.0.1:${port}/configz`);
    if (answer !== undefined) return { pid: child.pid ?? 0, configz: answer, stop };
  }
  const said = readFileSync(join(directory, 'log'), 'utf8').slice(-2000);
  await stop();
  throw new Error(`the kubelet did not start: ${said}`);
}

function ask(url: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = execFileSync('curl', ['-sk', '--noproxy', '*', '--max-time', '5', url], { encoding: 'utf8' });
    return (JSON.parse(text) as { readonly kubeletconfig: Readonly<Record<string, unknown>> }).kubeletconfig;
  } catch {
    return undefined;
  }
}
