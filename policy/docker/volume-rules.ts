import { matchesGlob } from '../glob.ts';
import type { ContainerPolicy } from './container-policy.ts';
import { judgeHostMount } from './host-path.ts';
import { field, isObject, isZero } from './json-fields.ts';
import type { JsonObject } from './json-fields.ts';
import { quote, wrongType } from './violation.ts';
import type { Violation } from './violation.ts';

/** Options of mount(8) that bind or move something that is mounted already, whatever the type. */
const BINDING = new Set(['bind', 'rbind', 'move', 'remount', 'make-shared', 'make-rshared', 'shared', 'rshared']);

/** What speaks against the body of `POST /volumes/create`. */
export function judgeVolume(body: JsonObject, policy: ContainerPolicy): readonly Violation[] {
  const cluster = field(body, 'ClusterVolumeSpec');
  return [
    ...judgeVolumeDriver(
      { at: '', driver: field(body, 'Driver'), options: field(body, 'DriverOpts'), optionsName: 'DriverOpts' },
      policy,
    ),
    ...(isZero(cluster) || policy.operations.includes('services')
      ? []
      : [
          {
            field: 'ClusterVolumeSpec',
            actual: 'a volume of the swarm',
            action: 'Use a volume of this host, or ask for the operation "services" in spec.operations.',
          },
        ]),
  ];
}

/** A driver of volumes with its options, from a request. */
export interface VolumeDriver {
  /** Prefix of the fields, for messages. */
  readonly at: string;
  readonly driver: unknown;
  readonly options: unknown;
  readonly optionsName: string;
}

/**
 * What speaks against a driver and its options. The local driver calls mount(2) with the options `type`, `device` and
 * `o`: with `bind` among the latter, the device is a path of the host.
 */
export function judgeVolumeDriver(
  { at, driver, options, optionsName }: VolumeDriver,
  policy: ContainerPolicy,
): readonly Violation[] {
  const name = isZero(driver) ? 'local' : driver;
  if (typeof name !== 'string') return [wrongType(`${at}Driver`, 'a string')];
  if (!policy.volumeDrivers.some((pattern) => matchesGlob(pattern, name)))
    return [
      {
        field: `${at}Driver`,
        actual: `the volume driver ${quote(name)}`,
        action: 'Use the driver local, or ask for the driver to be added to spec.volumeDrivers.',
      },
    ];
  if (isZero(options) || name !== 'local') return [];
  const place = `${at}${optionsName}`;
  if (!isObject(options)) return [wrongType(place, 'an object')];
  const values = Object.values(options);
  if (!values.every((value) => typeof value === 'string')) return [wrongType(place, 'an object of strings')];
  // Keys of a map in Go: their case counts, and the driver refuses others.
  const { type = '', device = '', o = '' } = options as Readonly<Record<string, string>>;
  const flags = o.split(',').map((option) => option.trim().toLowerCase());
  if (flags.some((flag) => BINDING.has(flag)))
    return judgeHostMount({ field: `${place}.device`, source: device, isReadOnly: isReadOnly(flags) }, policy);
  if (type === '' && device === '' && flags.every((flag) => flag === '')) return [];
  return policy.volumeTypes.some((pattern) => matchesGlob(pattern, type))
    ? []
    : [
        {
          field: `${place}.type`,
          actual: `a volume that mounts the file system ${quote(type)}`,
          action: 'Create the volume without driver options, or ask for the type to be added to spec.volumeTypes.',
        },
      ];
}

/** The last of `ro` and `rw` counts, mount(8). Mounts below stay as they are. */
function isReadOnly(flags: readonly string[]): boolean {
  return flags.findLast((flag) => flag === 'ro' || flag === 'rw') === 'ro' && !flags.includes('rbind');
}
