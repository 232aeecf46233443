import { matchesGlob } from '../glob.ts';
import { foldCase } from '../strict-json.ts';
import type { ApiRequest } from './api-request.ts';
import type { ContainerPolicy } from './container-policy.ts';
import {
  isHostConfigField,
  judgeCapabilities,
  judgeHostConfig,
  judgePrivileged,
  unknownField,
} from './host-config-rules.ts';
import { field, isObject, isZero } from './json-fields.ts';
import type { JsonObject } from './json-fields.ts';
import { judgeMounts } from './mount-rules.ts';
import type { MountContext } from './mount-rules.ts';
import type { Content } from './routes.ts';
import { judgeVolume } from './volume-rules.ts';
import { quote, wrongType } from './violation.ts';
import type { Violation } from './violation.ts';

/** What is judged. */
export interface ContentInput extends MountContext {
  /** See `AuthorizationRules`. */
  readonly isCgroupV2: boolean;
  /** The body as parsed; undefined where dockerd has none. */
  readonly body: JsonObject | undefined;
}

/** Fields of the container configuration of moby (`container.Config`) and of old wrappers around it. */
const CONFIG_FIELDS = folded(
  'ArgsEscaped AttachStderr AttachStdin AttachStdout Cmd Cpuset Domainname Entrypoint Env ExposedPorts Healthcheck',
  'HostConfig Hostname Image Labels MacAddress NetworkDisabled NetworkingConfig OnBuild OpenStdin Shell StdinOnce',
  'StopSignal StopTimeout Tty User Volumes WorkingDir',
);
/** `ExecOptions` of moby. */
const EXEC_FIELDS = folded(
  'AttachStderr AttachStdin AttachStdout Cmd ConsoleSize Container Detach DetachKeys Env Privileged Tty User WorkingDir',
);

/** What speaks against the content of a request. */
export function judgeContent(content: Content, input: ContentInput): readonly Violation[] {
  const { body, policy } = input;
  switch (content) {
    case 'pull':
      return judgePull(input);
    case 'start':
      return judgeStart(input);
    case 'container':
      return body === undefined ? [MISSING_BODY] : judgeContainer(body, input);
    case 'exec':
      return body === undefined ? [MISSING_BODY] : judgeExec(body, policy);
    case 'update':
      return body === undefined ? [MISSING_BODY] : judgeHostConfig(body, '', input);
    case 'volume':
      return body === undefined ? [MISSING_BODY] : judgeVolume(body, policy);
    case 'network':
      return body === undefined ? [MISSING_BODY] : judgeNetwork(body, policy);
    case 'connect':
      return body === undefined
        ? [MISSING_BODY]
        : judgeEndpoint(field(body, 'EndpointConfig'), 'EndpointConfig', input);
    case 'service':
      return body === undefined ? [MISSING_BODY] : judgeService(body, input);
  }
}

const MISSING_BODY: Violation = {
  field: 'body',
  actual: 'no body that dockerd shows to its authorization plugin',
  action: 'Send the body as application/json; above 4 MiB dockerd does not show it.',
};

function judgeContainer(body: JsonObject, input: ContentInput): readonly Violation[] {
  const { images } = input;
  const image = field(body, 'Image');
  if (typeof image === 'string') images.push({ field: 'Image', reference: image });
  const hostConfig = field(body, 'HostConfig') ?? {};
  const networking = field(body, 'NetworkingConfig') ?? {};
  if (!isObject(hostConfig)) return [wrongType('HostConfig', 'an object')];
  if (!isObject(networking)) return [wrongType('NetworkingConfig', 'an object')];
  // Engines up to 26 also read the fields of HostConfig one level above.
  const outer = Object.fromEntries(Object.entries(body).filter(([key]) => isHostConfigField(key)));
  const configs = Object.keys(outer).length === 0 ? [hostConfig] : [hostConfig, outer];
  const unknown = Object.entries(body).filter(
    ([key, value]) => !CONFIG_FIELDS.has(foldCase(key)) && !isHostConfigField(key) && !isZero(value),
  );
  return [
    ...(typeof image === 'string' ? [] : [wrongType('Image', 'a string')]),
    ...unknown.map(([key]) => unknownField(key)),
    ...judgeHostConfig(outer, '', input),
    ...judgeHostConfig(hostConfig, 'HostConfig.', input),
    ...judgeEndpoints(field(networking, 'EndpointsConfig'), input),
    // With any field above, these engines take the namespaces from there too.
    ...(configs.some((config) => isZero(field(config, 'CgroupnsMode')))
      ? judgeCgroupDefault(input, CONTAINER_CGROUPS)
      : []),
  ];
}

/** dockerd connects a container to the network `host` only by its mode; refused here too, whatever an engine does. */
function judgeEndpoints(value: unknown, input: ContentInput): readonly Violation[] {
  const at = 'NetworkingConfig.EndpointsConfig';
  if (isZero(value)) return [];
  if (!isObject(value)) return [wrongType(at, 'an object')];
  const isOnHost = Object.hasOwn(value, 'host') && !input.policy.allowHostNamespaces.includes('network');
  return [
    ...(isOnHost ? [{ field: at, actual: 'the network of the host', action: 'Name another network.' }] : []),
    ...Object.values(value).flatMap((endpoint) => judgeEndpoint(endpoint, at, input)),
  ];
}

/** Option of an endpoint, since Docker 27: `net.ipv4.conf.IFNAME.forwarding=1,…`. */
const ENDPOINT_SYSCTLS = 'com.docker.network.endpoint.sysctls';

/** The connection of a container to a network: sysctls of its interface. */
function judgeEndpoint(endpoint: unknown, at: string, input: ContentInput): readonly Violation[] {
  if (isZero(endpoint)) return [];
  if (!isObject(endpoint)) return [wrongType(at, 'an object')];
  const options = field(endpoint, 'DriverOpts');
  if (isZero(options)) return [];
  if (!isObject(options)) return [wrongType(`${at}.DriverOpts`, 'an object')];
  const sysctls = Object.hasOwn(options, ENDPOINT_SYSCTLS) ? options[ENDPOINT_SYSCTLS] : undefined;
  if (isZero(sysctls)) return [];
  if (typeof sysctls !== 'string') return [wrongType(`${at}.DriverOpts`, 'an object of strings')];
  const names = sysctls.split(',').map((one) => one.split('=', 1)[0] ?? '');
  return judgeHostConfig({ Sysctls: Object.fromEntries(names.map((name) => [name, ''])) }, `${at}.DriverOpts.`, input);
}

/**
 * Without a mode dockerd takes its setting `default-cgroupns-mode`, which on a host with cgroup v1 is `host`
 * (`adaptContainerSettings` of moby), whatever the API version.
 */
function judgeCgroupDefault(
  { policy, isCgroupV2 }: ContentInput,
  { at, action }: { readonly at: string; readonly action: string },
): readonly Violation[] {
  return isCgroupV2 || policy.allowHostNamespaces.includes('cgroup')
    ? []
    : [{ field: at, actual: 'no mode: the cgroup namespace of the host, where it has cgroup v1', action }];
}

const CONTAINER_CGROUPS = Object.freeze({
  at: 'HostConfig.CgroupnsMode',
  action: 'Set it to private (docker run --cgroupns=private), or ask for "cgroup" in spec.allowHostNamespaces.',
});
const SERVICE_CGROUP_ACTION =
  'Use hosts with cgroup v2, start containers without a service, or ask for "cgroup" in spec.allowHostNamespaces.';

function judgeExec(body: JsonObject, policy: ContainerPolicy): readonly Violation[] {
  const unknown = Object.entries(body).filter(([key, value]) => !EXEC_FIELDS.has(foldCase(key)) && !isZero(value));
  return [
    ...unknown.map(([key]) => unknownField(key)),
    ...judgePrivileged(field(body, 'Privileged'), 'Privileged', policy),
  ];
}

/** Until API 1.23 a start could bring a HostConfig; a checkpoint is a directory of the host. */
function judgeStart({ request, body, policy }: ContentInput): readonly Violation[] {
  const hasBody = body !== undefined && Object.keys(body).length > 0;
  const hasCheckpoint = [...request.query].some(([name, value]) => name.startsWith('checkpoint') && value !== '');
  return [
    ...(hasBody ? [{ field: 'body', actual: 'a body', action: 'Start the container without a body.' }] : []),
    ...(hasCheckpoint && !policy.operations.includes('checkpoint')
      ? [
          {
            field: 'query checkpoint',
            actual: 'a checkpoint',
            action: 'Start the container without it, or ask for the operation "checkpoint" in spec.operations.',
          },
        ]
      : []),
  ];
}

function judgeNetwork(body: JsonObject, { networkDrivers }: ContainerPolicy): readonly Violation[] {
  const driver = field(body, 'Driver') ?? '';
  if (typeof driver !== 'string') return [wrongType('Driver', 'a string')];
  const isAllowed = driver === '' || networkDrivers.some((pattern) => matchesGlob(pattern, driver));
  return isAllowed
    ? []
    : [
        {
          field: 'Driver',
          actual: `the network driver ${quote(driver)}`,
          action: 'Use the driver bridge, or ask for the driver to be added to spec.networkDrivers.',
        },
      ];
}

/** Whether `POST /images/create` imports an archive, which is its body or at an address, instead of pulling an image. */
export function isImport({ query }: ApiRequest): boolean {
  return query.getAll('fromImage').every((value) => value === '');
}

/** Of the query of `POST /images/create`; of a parameter that occurs twice each reader takes another one. */
function judgePull({ request, images }: ContentInput): readonly Violation[] {
  const twice = ['fromImage', 'fromSrc', 'repo', 'tag'].filter((name) => request.query.getAll(name).length > 1);
  if (twice.length > 0)
    return twice.map((name) => ({ field: `query ${name}`, actual: 'twice', action: 'Name it once.' }));
  const [image, tag] = [request.query.get('fromImage') ?? '', request.query.get('tag') ?? ''];
  // dockerd ignores a colon at the end, and takes a tag that is a digest for a digest.
  const repository = image.replace(/:$/, '');
  const suffix = tag === '' ? '' : tag.includes(':') ? `@${tag}` : `:${tag}`;
  images.push({ field: 'query fromImage', reference: withReplacedTag(repository, suffix) });
  return [];
}

/** The parameter `tag` replaces a tag or digest that the name has. */
function withReplacedTag(repository: string, suffix: string): string {
  if (suffix === '') return repository;
  const name = repository.split('@')[0] ?? '';
  const colon = name.lastIndexOf(':');
  return `${colon > name.lastIndexOf('/') ? name.slice(0, colon) : name}${suffix}`;
}

/** A service of a swarm: what its containers get. */
function judgeService(body: JsonObject, input: ContentInput): readonly Violation[] {
  const { policy, images } = input;
  const task = field(body, 'TaskTemplate') ?? {};
  const container = isObject(task) ? (field(task, 'ContainerSpec') ?? {}) : undefined;
  if (!isObject(task) || !isObject(container)) return [wrongType('TaskTemplate', 'an object with a ContainerSpec')];
  const at = 'TaskTemplate.ContainerSpec';
  const image = field(container, 'Image');
  if (typeof image === 'string') images.push({ field: `${at}.Image`, reference: image });
  const [mounts, capabilities, sysctls] = [
    field(container, 'Mounts'),
    field(container, 'CapabilityAdd'),
    field(container, 'Sysctls'),
  ];
  // Fields that containers have too, under the names of `HostConfig`.
  const settings = {
    Sysctls: sysctls,
    OomScoreAdj: field(container, 'OomScoreAdj'),
    Ulimits: field(container, 'Ulimits'),
  };
  const driver = field(task, 'LogDriver') ?? {};
  if (!isObject(driver)) return [wrongType('TaskTemplate.LogDriver', 'an object')];
  const LogConfig = { Type: field(driver, 'Name'), Config: field(driver, 'Options') };
  const networks = [...listOf(field(task, 'Networks')), ...listOf(field(body, 'Networks'))];
  const isOnHost = networks.some((network) => isObject(network) && mayBeHostNetwork(field(network, 'Target')));
  return [
    ...(typeof image === 'string' ? [] : [wrongType(`${at}.Image`, 'a string')]),
    ...(isZero(field(task, 'PluginSpec'))
      ? []
      : [{ field: 'TaskTemplate.PluginSpec', actual: 'a plugin', action: 'Use a service of containers.' }]),
    ...(isZero(mounts) ? [] : judgeMounts(mounts, `${at}.Mounts`, input)),
    ...(isZero(capabilities) ? [] : judgeCapabilities(capabilities, `${at}.CapabilityAdd`, policy)),
    ...judgeHostConfig(settings, `${at}.`, input),
    ...judgeHostConfig({ LogConfig }, 'TaskTemplate.', input),
    // A service cannot choose it.
    ...judgeCgroupDefault(input, { at, action: SERVICE_CGROUP_ACTION }),
    ...(isZero(field(container, 'Privileges')) || policy.allowPrivileged
      ? []
      : [{ field: `${at}.Privileges`, actual: 'security settings of its own', action: 'Leave the field out.' }]),
    ...networks.flatMap((network) => judgeEndpoint(network, 'TaskTemplate.Networks', input)),
    ...(isOnHost && !policy.allowHostNamespaces.includes('network')
      ? [
          {
            field: 'TaskTemplate.Networks',
            actual: 'the network of the host, or what may be its id',
            action: 'Name another network, by a name that is not hexadecimal.',
          },
        ]
      : []),
  ];
}

/**
 * dockerd also finds the network of the host by the beginning of its id. Ids of networks of a swarm, which the command
 * line sends, are not hexadecimal.
 */
function mayBeHostNetwork(target: unknown): boolean {
  return typeof target === 'string' && (target === 'host' || /^[0-9a-f]+$/.test(target));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Names that are separated by spaces. */
function folded(...names: readonly string[]): ReadonlySet<string> {
  return new Set(names.flatMap((line) => line.split(' ')).map(foldCase));
}
