import type { DockerFact } from '../../../posture/fact/docker.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { readTrusted } from '../trusted-path.ts';

const ENVIRONMENT = '/etc/environment';
const PROFILE = '/etc/profile';
const PROFILE_DIRECTORY = '/etc/profile.d';
const MAX_BYTES = 128 * 1024;
const MAX_FILES = 64;

/** `DOCKER_CONTENT_TRUST=1`, pam_env(7), or `export DOCKER_CONTENT_TRUST="1"` of a shell; nothing else of a line is kept. */
const SETTING = /^\s*(?:export\s+)?DOCKER_CONTENT_TRUST=["']?([A-Za-z0-9]{0,16})["']?\s*(?:#.*)?$/;

/** Where the environment of people who log in switches content trust of the docker client on or off. */
export async function readContentTrust(host: Host): Promise<DockerFact['contentTrust']> {
  const listed = await host.list(PROFILE_DIRECTORY, { maxEntries: 1024 });
  if (!listed.ok && listed.code !== 'absent') return unreadable(PROFILE_DIRECTORY, listed.reason);
  const scripts = (listed.ok ? listed.value : []).filter((name) => name.endsWith('.sh'));
  if (scripts.length > MAX_FILES) return unreadable(PROFILE_DIRECTORY, `more than ${String(MAX_FILES)} scripts`);
  const found: { readonly source: string; readonly value: string }[] = [];
  for (const path of [ENVIRONMENT, PROFILE, ...scripts.map((name) => `${PROFILE_DIRECTORY}/${name}`)]) {
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return unreadable(path, read.reason);
    for (const [index, line] of read.value.bytes.toString('utf8').split('\n').entries()) {
      const value = SETTING.exec(line)?.[1];
      if (value !== undefined && found.length < MAX_FILES)
        found.push({ source: clip(`${path}:${String(index + 1)}`, 4128), value });
    }
  }
  return seen(found, `${ENVIRONMENT}, ${PROFILE}, ${PROFILE_DIRECTORY}`);
}
