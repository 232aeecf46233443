import { execFileSync } from 'node:child_process';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import type { NodeAccess } from '../../../agent/node-access.ts';
import { createParseCache } from '../../../agent/inspector/parse-cache.ts';
import { createFailedLooks } from '../../../agent/inspector/unobserved/failed-looks.ts';
import { createProber } from '../../../agent/probe/tls-prober.ts';
import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import type { Observed } from '../../../posture/observed.ts';
import { noAgent, nodeFact } from '../../fixture/facts.ts';
import { ONE_ENGINE } from '../../fixture/one-engine.ts';

/** This machine, with the real parts. */
export function liveNode(endpoint: string): NodeAccess {
  return {
    host: createLinuxHost(),
    runtime: createDockerRuntime({ endpoint }),
    prober: createProber({}),
    inventory: () => Promise.resolve(nodeFact()),
    agent: noAgent,
    engines: ONE_ENGINE,
    cache: createParseCache(),
    failedLooks: createFailedLooks(),
    now: Date.now,
  };
}

/** What a program of the system says, without the newline at the end. */
export function told(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trimEnd();
}

/** A word of `/proc/PID/status`, read by grep and cut. */
export function statusWord(pid: number, name: string): string {
  return told('sh', '-c', `grep '^${name}:' /proc/${String(pid)}/status | cut -f2`);
}

/** The container, or an error that says why there is none. */
export function seenContainer(observed: Observed<ContainerFact>): ContainerFact {
  if (observed.state !== 'seen') throw new Error(`${observed.source} is ${observed.state}`);
  return observed.value;
}
