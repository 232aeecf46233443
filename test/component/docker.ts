import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/** The image that the test daemon holds: one static busybox with sh, sleep and cat. */
export const TEST_IMAGE = 'plimsoll-test/busybox:1';

/** A Docker daemon for tests. */
export interface TestDocker {
  /** `unix:///…/docker.sock` */
  readonly endpoint: string;
  /** Runs the docker command line against it; resolves to what it printed. */
  readonly docker: (...args: readonly string[]) => Promise<string>;
  /** Starts a container that sleeps; resolves to its full id. Names start with `plimsoll-test-`. */
  readonly start: (name: string, ...options: readonly string[]) => Promise<string>;
  /** Removes containers, running or not. */
  readonly remove: (...names: readonly string[]) => Promise<void>;
  /** First process of a container. */
  readonly pid: (name: string) => Promise<number>;
}

/**
 * The daemon of this test run (`npm test` starts one and names its socket in PLIMSOLL_TEST_DOCKER), or, for a single
 * test file run by hand, the one on the default socket. Otherwise the reason for `t.skip`.
 */
export function testDocker(): { readonly docker: TestDocker } | { readonly reason: string } {
  const socket = process.env['PLIMSOLL_TEST_DOCKER'] ?? '/var/run/docker.sock';
  if (socket === 'none' || !existsSync(socket)) return { reason: 'no Docker daemon' };
  const run = promisify(execFile);
  const docker = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run('docker', ['-H', `unix://${socket}`, ...args], { timeout: 60_000 });
    return stdout.trim();
  };
  return {
    docker: {
      endpoint: `unix://${socket}`,
      docker,
      start: (name, ...options) =>
        docker('run', '-d', '--name', `plimsoll-test-${name}`, ...options, TEST_IMAGE, '/bin/sleep', '3600'),
      remove: async (...names) => {
        await docker('rm', '-f', ...names.map((name) => `plimsoll-test-${name}`));
      },
      pid: async (name) => Number(await docker('inspect', '-f', '{{.State.Pid}}', `plimsoll-test-${name}`)),
    },
  };
}
