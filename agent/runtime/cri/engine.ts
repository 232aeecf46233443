import type { StatusResponse } from '../../../proto/cri.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import { clip } from '../../inspector/clip.ts';
import type { EngineInfo, Reply, RuntimeVersion } from '../runtime.ts';
import { listedState } from './container.ts';
import type { Listed } from './listing.ts';
import { parseInfo, statusConfigSchema } from './runtime-spec.ts';

/** The runtime as the fact has engines. What only dockerd has is empty or off; CRI-O does not tell its configuration. */
export function toEngineInfo(
  status: StatusResponse,
  { name, version, apiVersion }: RuntimeVersion & { readonly name: string },
  listed: Reply<Listed>,
): EngineInfo {
  const parsed = parseInfo(status.info?.['config'], statusConfigSchema);
  const config = parsed.ok ? parsed.value : undefined;
  return {
    api: {
      version,
      apiVersion,
      dataRoot: clip(config?.containerdRootDir ?? '', 4096),
      storageDriver: clip(config?.containerd?.snapshotter ?? '', 128),
      loggingDriver: '',
      cgroupDriver: config === undefined ? '' : config.systemdCgroup ? 'systemd' : 'cgroupfs',
      defaultRuntime: clip(config?.containerd?.defaultRuntimeName ?? '', 256),
      securityOptions: [],
      insecureRegistries: [],
      authorizationPlugins: [],
      liveRestore: true,
      debug: false,
      experimental: false,
      swarm: 'inactive',
      components: name === 'containerd' ? [{ name, version }] : [],
      imageStore: 'containerd',
    },
    containers: listed.ok ? seen(countsOf(listed.value), listed.source) : unreadable(listed.source, listed.reason),
    bridgeInterContainer: absent('not part of the CRI'),
    images: absent('not part of the CRI'),
    swarm: absent('not part of the CRI'),
  };
}

/** Without sandboxes, which are not counted by tools of the runtime either. */
function countsOf({ containers }: Listed): { running: number; paused: number; stopped: number } {
  const running = containers.filter(({ state }) => listedState(state ?? 0) === 'running').length;
  return { running, paused: 0, stopped: containers.length - running };
}
