import { duration, path, pathOr, paths, registryNames, updateSourceOrOff } from './kind.ts';
import { inDataDir } from './setting.ts';
import type { Program, SettingDefinition } from './setting.ts';

const IMAGE = ['collector', 'up', 'image'] as const satisfies readonly Program[];
const COLLECTOR = ['collector', 'up'] as const satisfies readonly Program[];

/** Settings of the images of the fleet: their vulnerabilities, registries and policies. */
export const IMAGE_SETTINGS = {
  vulndb: {
    kind: path(),
    default: inDataDir('vulndb.sqlite'),
    description: 'The vulnerability database, as `plimsoll vulndb build` or `plimsoll vulndb update` write it.',
    programs: IMAGE,
  },
  'vulndb-max-age': {
    kind: duration('1h', '3650d'),
    default: '5d',
    description:
      'Age, counted from its build, beyond which the vulnerability database is too old: what it does not know then says nothing.',
    programs: IMAGE,
  },
  vex: {
    kind: paths(),
    default: '',
    description:
      'VEX documents (OpenVEX, CycloneDX or CSAF) that suppress vulnerabilities of the fleet: files, or directories whose `*.json` are read. Read again when they change.',
    programs: COLLECTOR,
  },
  waivers: {
    kind: paths(),
    default: '',
    description:
      'Waivers of findings (documents of kind `Waiver`) and of vulnerabilities of the fleet, which also count for every image policy: files, or directories whose `*.yaml`, `*.yml` and `*.json` are read. Read again when they change; a file that every user can write is refused.',
    programs: COLLECTOR,
  },
  'vulndb-source': {
    kind: updateSourceOrOff(),
    default: 'off',
    description: 'Where `plimsoll vulndb update` gets the vulnerability database from; `off`: from `--from` only.',
    programs: ['image'],
  },
  'vulndb-key': {
    kind: pathOr('none'),
    default: 'none',
    description:
      'Public key in PEM (ECDSA or Ed25519) that must have signed a vulnerability database before an update accepts it; `none`: its checksum is enough.',
    programs: ['image'],
  },
  'vulndb-ca': {
    kind: pathOr('system'),
    default: 'system',
    description: 'Authorities in PEM that must have signed the certificate of the server of an update.',
    programs: ['image'],
  },
  registries: {
    kind: registryNames(),
    default: '',
    description:
      'Registries, separated by commas, that the collector may ask about running images: for their configuration, their signatures, and whether a tag still names what runs. Others are never asked, since whoever starts a container chooses the name. Used with `policies`.',
    programs: COLLECTOR,
  },
  'registry-credentials': {
    kind: pathOr('none'),
    default: 'none',
    description: 'A `config.json` of Docker with credentials for registries in `auths`; `none`: anonymous.',
    programs: COLLECTOR,
  },
  'registry-ca': {
    kind: pathOr('system'),
    default: 'system',
    description: 'Authorities in PEM that must have signed the certificates of the registries.',
    programs: COLLECTOR,
  },
  'registry-check-interval': {
    kind: duration('1m', '7d'),
    default: '1h',
    description: 'How often the registry is asked about each running image.',
    programs: COLLECTOR,
  },
  policies: {
    kind: pathOr('none'),
    default: 'none',
    description:
      'Image policies: a file, or a directory whose files `*.yaml`, `*.yml` and `*.json` are read, again when they change. The collector judges the images of the fleet by them; `none`: it judges none.',
    programs: COLLECTOR,
  },
} satisfies Record<string, SettingDefinition<unknown>>;
