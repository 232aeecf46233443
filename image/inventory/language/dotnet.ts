import type { Detected, Detector } from '../detector.ts';
import type { TreeFile } from '../file-tree.ts';
import { detection, onlyGap } from './detection.ts';
import { entries, field, isObject, readJson } from './manifest-content.ts';

const MAX_BYTES = 32 * 1024 * 1024;
/** Libraries of these kinds come from NuGet; a `project` is the application itself. */
const NUGET_TYPES: ReadonlySet<unknown> = new Set(['package', 'runtimepack']);

/**
 * NuGet packages of .NET applications and of the runtime: `libraries` of `*.deps.json`, with keys such as
 * `Newtonsoft.Json/13.0.1`.
 * https://github.com/dotnet/sdk/blob/main/documentation/specs/runtime-configuration-file.md
 */
export const dotnet: Detector = {
  name: 'dotnet',
  matches: ({ path }) => path.endsWith('.deps.json'),
  layouts: [[/\.deps\.json$/]],
  detect: readDependencies,
};

function readDependencies(file: TreeFile): Detected {
  const content = readJson(file, MAX_BYTES);
  if (!content.ok) return onlyGap(file, content.reason);
  const libraries = field(content.value, 'libraries');
  if (!isObject(libraries)) return onlyGap(file, 'has no libraries');
  const found = detection('nuget', file);
  for (const [key, library] of entries(libraries)) {
    const type = field(library, 'type');
    if (!NUGET_TYPES.has(typeof type === 'string' ? type.toLowerCase() : type)) continue;
    const [, name, version] = /^(.+)\/([^/]+)$/.exec(key) ?? [];
    found.add(name?.replace(/^runtimepack\./, ''), version);
  }
  return found.result();
}
