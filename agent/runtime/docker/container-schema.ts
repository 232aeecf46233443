import * as s from '../../../posture/schema.ts';
import { MAX_CONTAINERS } from '../runtime.ts';

/** A field of an answer that is left out, or null, where there is nothing to say. */
const text = s.withDefault(s.string(), '');
const integer = s.withDefault(s.integer(), 0);
const flag = s.withDefault(s.boolean(), false);
const texts = s.withDefault(s.list(s.string()), []);
/** A container can publish every port of every protocol. */
const MAX_PORTS = 200_000;

const hostConfigSchema = s.object({
  Runtime: text,
  Privileged: flag,
  SecurityOpt: texts,
  CapAdd: texts,
  CapDrop: texts,
  ReadonlyRootfs: flag,
  NetworkMode: text,
  PidMode: text,
  IpcMode: text,
  UTSMode: text,
  UsernsMode: text,
  CgroupnsMode: text,
  CgroupParent: text,
  Memory: integer,
  PidsLimit: integer,
  CpuShares: integer,
  NanoCpus: integer,
  CpuQuota: integer,
  CpuPeriod: integer,
  CpusetCpus: text,
  RestartPolicy: s.nullable(s.object({ Name: text, MaximumRetryCount: integer })),
  Devices: s.withDefault(s.list(s.object({ PathOnHost: text, CgroupPermissions: text })), []),
  DeviceRequests: s.withDefault(s.list(s.unknown()), []),
  DeviceCgroupRules: texts,
  MaskedPaths: texts,
  ReadonlyPaths: texts,
  Ulimits: s.withDefault(s.list(s.object({ Name: text, Soft: integer, Hard: integer })), []),
  LogConfig: s.nullable(s.object({ Type: text })),
});

/** What this program reads of `GET /containers/ID/json`. It does not read Env, Cmd and, except for queries, labels. */
export const inspectSchema = s.object({
  Id: s.string('', 128),
  Name: text,
  Created: s.withDefault(s.string('', 64), ''),
  Image: s.withDefault(s.string('', 128), ''),
  AppArmorProfile: text,
  ProcessLabel: text,
  HostnamePath: text,
  HostsPath: text,
  ResolvConfPath: text,
  State: s.object({
    Running: s.boolean(),
    Paused: flag,
    Status: text,
    Pid: s.integer(),
    StartedAt: s.withDefault(s.string('', 64), ''),
    FinishedAt: s.withDefault(s.string('', 64), ''),
    Health: s.nullable(s.object({ Status: text })),
  }),
  Config: s.object({ User: text, Image: text }),
  HostConfig: hostConfigSchema,
  Mounts: s.withDefault(
    s.list(
      s.object({
        Type: text,
        Source: text,
        Destination: text,
        RW: s.withDefault(s.boolean(), true),
        Propagation: text,
      }),
    ),
    [],
  ),
  NetworkSettings: s.nullable(
    s.object({
      Ports: s.withDefault(
        s.record(s.withDefault(s.list(s.object({ HostIp: text, HostPort: text }), '', MAX_PORTS), []), '', MAX_PORTS),
        {},
      ),
      Networks: s.withDefault(s.record(s.unknown()), {}),
    }),
  ),
});
/** See {@link inspectSchema}. */
export type InspectAnswer = s.Infer<typeof inspectSchema>;

/** The labels in the same answer; missing where the answer was so large that they were filtered out. */
export const labelsSchema = s.object({ Config: s.object({ Labels: s.unknown() }) });

/** What this program reads of `GET /containers/json`; of what is `unknown`, only whether it changes. */
export const containerListSchema = s.list(
  s.object({
    Id: s.string('', 128),
    Names: texts,
    State: text,
    Status: text,
    ImageID: s.withDefault(s.string('', 128), ''),
    Ports: s.unknown(),
    Mounts: s.unknown(),
    NetworkSettings: s.unknown(),
  }),
  '',
  MAX_CONTAINERS,
);
/** An entry of {@link containerListSchema}. */
export type ContainerEntry = s.Infer<typeof containerListSchema>[number];
