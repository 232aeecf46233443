import { isOlderThan } from './api-request.ts';
import type { ApiRequest } from './api-request.ts';
import type { ContainerPolicy } from './container-policy.ts';
import { judgeHostMount } from './host-path.ts';
import { field, isObject, isZero } from './json-fields.ts';
import type { JsonObject } from './json-fields.ts';
import { judgeVolumeDriver } from './volume-rules.ts';
import { quote, wrongType } from './violation.ts';
import type { Violation } from './violation.ts';

/** Names of volumes as moby accepts them (`RestrictedNamePattern`). */
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** What mounts are judged by. */
export interface MountContext {
  readonly request: ApiRequest;
  readonly policy: ContainerPolicy;
  /** Collects images that mounts name. */
  readonly images: ImageUse[];
}

/** Before API 1.44 what is mounted below a read-only mount stays writable. */
function coversMountsBelow({ request }: MountContext): boolean {
  return !isOlderThan(request, 1, 44);
}

/** What speaks against `Binds`: `/host/path:/path:ro`, `volume:/path`, `/path`. */
export function judgeBinds(value: unknown, at: string, context: MountContext): readonly Violation[] {
  if (!Array.isArray(value)) return [wrongType(at, 'a list of strings')];
  const { policy } = context;
  return value.flatMap((bind: unknown, index) => {
    const place = `${at}[${String(index)}]`;
    if (typeof bind !== 'string') return [wrongType(place, 'a string')];
    const [source = '', target, mode = ''] = bind.split(':');
    // Without a target it is an anonymous volume.
    if (target === undefined) return [];
    const options = mode.split(',');
    const shared = sharedPropagation(place, options.find(isShared), policy);
    if (VOLUME_NAME.test(source)) return shared;
    const isReadOnly = options.includes('ro') && !options.includes('rw') && coversMountsBelow(context);
    return [...judgeHostMount({ field: place, source, isReadOnly }, policy), ...shared];
  });
}

/** What speaks against `Mounts`; also those of a service. */
export function judgeMounts(value: unknown, at: string, context: MountContext): readonly Violation[] {
  if (!Array.isArray(value)) return [wrongType(at, 'a list of objects')];
  return value.flatMap((mount: unknown, index) => {
    const place = `${at}[${String(index)}]`;
    // Go keeps a list item that is null as an empty mount, which has no type.
    return isObject(mount) ? judgeMount(mount, place, context) : [wrongType(place, 'an object')];
  });
}

/** An image that a request uses. */
export interface ImageUse {
  readonly field: string;
  readonly reference: string;
}

function judgeMount(mount: JsonObject, at: string, context: MountContext): readonly Violation[] {
  const { policy, images } = context;
  const [type, source] = [field(mount, 'Type'), field(mount, 'Source') ?? ''];
  if (typeof source !== 'string') return [wrongType(`${at}.Source`, 'a string')];
  switch (type) {
    case 'tmpfs':
      return [];
    case 'bind': {
      const bind = field(mount, 'BindOptions') ?? {};
      if (!isObject(bind)) return [wrongType(`${at}.BindOptions`, 'an object')];
      const propagation = field(bind, 'Propagation') ?? '';
      if (typeof propagation !== 'string') return [wrongType(`${at}.BindOptions.Propagation`, 'a string')];
      const isRecursive = isZero(field(bind, 'ReadOnlyNonRecursive')) && coversMountsBelow(context);
      const isReadOnly = field(mount, 'ReadOnly') === true && isRecursive;
      return [
        ...judgeHostMount({ field: `${at}.Source`, source, isReadOnly }, policy),
        ...sharedPropagation(`${at}.BindOptions.Propagation`, isShared(propagation) ? propagation : undefined, policy),
      ];
    }
    case 'volume': {
      const options = field(mount, 'VolumeOptions') ?? {};
      if (!isObject(options)) return [wrongType(`${at}.VolumeOptions`, 'an object')];
      const config = field(options, 'DriverConfig') ?? {};
      if (!isObject(config)) return [wrongType(`${at}.VolumeOptions.DriverConfig`, 'an object')];
      const driver = field(config, 'Name');
      const place = `${at}.VolumeOptions.DriverConfig.`;
      if (source !== '' && !VOLUME_NAME.test(source))
        return [{ field: `${at}.Source`, actual: 'no name of a volume', action: 'Name a volume.' }];
      return judgeVolumeDriver(
        { at: place, driver, options: field(config, 'Options'), optionsName: 'Options' },
        policy,
      );
    }
    case 'image':
      images.push({ field: `${at}.Source`, reference: source });
      return [];
    default:
      return [
        {
          field: `${at}.Type`,
          actual: `the type of mount ${quote(type)}`,
          action: 'Use a mount of the type volume, tmpfs, bind or image.',
        },
      ];
  }
}

function isShared(option: string): boolean {
  return option === 'shared' || option === 'rshared';
}

/** Mounts that the container makes below a shared mount appear on the host. */
function sharedPropagation(
  place: string,
  propagation: string | undefined,
  { allowPrivileged }: ContainerPolicy,
): readonly Violation[] {
  return propagation === undefined || allowPrivileged
    ? []
    : [{ field: place, actual: `the propagation ${propagation}`, action: 'Use the propagation rprivate or rslave.' }];
}
