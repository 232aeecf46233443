import { request } from 'node:http';

/** What `GET /containers/ID/json` says, as far as the test reads it. */
export interface Inspected {
  readonly Id: string;
  readonly State: { readonly Pid: number; readonly Running: boolean; readonly Health?: { readonly Status: string } };
  readonly HostConfig: {
    readonly Privileged: boolean;
    readonly CapAdd: readonly string[] | null;
    readonly SecurityOpt: readonly string[] | null;
    readonly RestartPolicy: { readonly Name: string; readonly MaximumRetryCount: number };
    readonly CgroupParent: string;
    readonly NetworkMode: string;
    readonly CpuShares: number;
    readonly NanoCpus: number;
    readonly CpuQuota: number;
    readonly CpuPeriod: number;
    readonly CpusetCpus: string;
    readonly PidMode: string;
    readonly Ulimits: readonly { readonly Name: string; readonly Hard: number }[] | null;
  };
  readonly Config: { readonly User: string; readonly Healthcheck?: unknown };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, unknown>>;
    readonly Ports: Readonly<Record<string, readonly { HostIp: string; HostPort: string }[] | null>> | null;
  };
}

/** The engine's API, without any of the program's own code. */
export interface Engine {
  readonly call: (method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown) => Promise<unknown>;
  readonly inspect: (id: string) => Promise<Inspected>;
}

/** An engine on a unix socket. A call rejects with what the engine says. */
export function engineOn(socketPath: string): Engine {
  const call: Engine['call'] = (method, path, body) =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const sent = request({ socketPath, method, path, headers }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          const answer = Buffer.concat(parts).toString();
          if ((response.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${answer.slice(0, 500)}`));
          else resolve(answer.startsWith('{') || answer.startsWith('[') ? (JSON.parse(answer) as unknown) : answer);
        });
      });
      sent.on('error', reject);
      sent.end(text);
    });
  return { call, inspect: async (id) => (await call('GET', `/containers/${id}/json`)) as Inspected };
}
