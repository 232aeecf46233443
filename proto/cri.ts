import type protobuf from 'protobufjs/minimal.js';
import './plain-numbers.ts';
import { runtime } from './generated/cri.js';
import { TextReader } from './text-reader.ts';

const { v1 } = runtime;

/** See the message of the same name in cri/runtime.proto. */
export type VersionResponse = runtime.v1.VersionResponse.$Properties;
/** See the message of the same name in cri/runtime.proto. */
export type StatusResponse = runtime.v1.StatusResponse.$Properties;
/** See the message of the same name in cri/runtime.proto. */
export type PodSandbox = runtime.v1.PodSandbox.$Properties;
/** See the message of the same name in cri/runtime.proto. */
export type PodSandboxStatusResponse = runtime.v1.PodSandboxStatusResponse.$Properties;
/** See the message of the same name in cri/runtime.proto. */
export type Container = runtime.v1.Container.$Properties;
/** See the message of the same name in cri/runtime.proto. */
export type ContainerStatusResponse = runtime.v1.ContainerStatusResponse.$Properties;
/** See the message of the same name in cri/runtime.proto. */
export type Image = runtime.v1.Image.$Properties;
/** See the message of the same name in cri/runtime.proto. */
export type ImageFsInfoResponse = runtime.v1.ImageFsInfoResponse.$Properties;
/** See the message of the same name in cri/runtime.proto. */
export type ImageStatusResponse = runtime.v1.ImageStatusResponse.$Properties;

/** A status of which only the labels are read. */
export type LabelsResponse = runtime.v1.ContainerLabelsResponse.$Properties;

/** A method of the CRI: how its request is written and how its response is read. */
export interface CriMethod<Request, Response> {
  readonly service: 'RuntimeService' | 'ImageService';
  readonly name: string;
  readonly encode: (request: Request) => Uint8Array;
  /** Throws on bytes that are no such response. */
  readonly decode: (bytes: Buffer) => Response;
}

/** States of a container or sandbox, by the number on the wire. */
export const CRI_CONTAINER_STATES = ['created', 'running', 'exited', 'unknown'] as const;
/** Number of the state of a sandbox that runs. */
export const SANDBOX_READY = 0;
/** Number of the state of a container that runs. */
export const CONTAINER_RUNNING = 1;
/** Namespace mode on the wire: the namespace of the node. */
export const NAMESPACE_OF_NODE = 2;

/** More entries than this in one list make the response invalid: a few bytes each would fill the memory. */
export const MAX_LIST_ENTRIES = 60_000;

/** The methods that the agent calls. */
export const CRI = Object.freeze({
  version: {
    service: 'RuntimeService',
    name: 'Version',
    encode: () => v1.VersionRequest.encode({ version: '0.1.0' }).finish(),
    decode: (bytes): VersionResponse => v1.VersionResponse.decode(new TextReader(bytes)),
  } satisfies CriMethod<void, VersionResponse>,
  status: {
    service: 'RuntimeService',
    name: 'Status',
    encode: () => v1.StatusRequest.encode({ verbose: true }).finish(),
    decode: (bytes): StatusResponse => v1.StatusResponse.decode(new TextReader(bytes)),
  } satisfies CriMethod<void, StatusResponse>,
  /** Those in this state; undefined: all. */
  listPodSandbox: {
    service: 'RuntimeService',
    name: 'ListPodSandbox',
    encode: (state) =>
      v1.ListPodSandboxRequest.encode(state === undefined ? {} : { filter: { state: { state } } }).finish(),
    decode: (bytes): readonly PodSandbox[] => decodeList(bytes, v1.PodSandbox),
  } satisfies CriMethod<number | undefined, readonly PodSandbox[]>,
  podSandboxStatus: {
    service: 'RuntimeService',
    name: 'PodSandboxStatus',
    encode: (podSandboxId) => v1.PodSandboxStatusRequest.encode({ podSandboxId, verbose: true }).finish(),
    decode: (bytes): PodSandboxStatusResponse => v1.PodSandboxStatusResponse.decode(new TextReader(bytes)),
  } satisfies CriMethod<string, PodSandboxStatusResponse>,
  /** Those in this state; undefined: all. */
  listContainers: {
    service: 'RuntimeService',
    name: 'ListContainers',
    encode: (state) =>
      v1.ListContainersRequest.encode(state === undefined ? {} : { filter: { state: { state } } }).finish(),
    decode: (bytes): readonly Container[] => decodeList(bytes, v1.Container),
  } satisfies CriMethod<number | undefined, readonly Container[]>,
  /** The ids of those that run, and nothing else of them: this is asked for again and again. */
  runningIds: {
    service: 'RuntimeService',
    name: 'ListContainers',
    encode: () => v1.ListContainersRequest.encode({ filter: { state: { state: CONTAINER_RUNNING } } }).finish(),
    decode: (bytes): readonly string[] => decodeList(bytes, { decode: readId }),
  } satisfies CriMethod<void, readonly string[]>,
  containerStatus: {
    service: 'RuntimeService',
    name: 'ContainerStatus',
    encode: (containerId) => v1.ContainerStatusRequest.encode({ containerId, verbose: true }).finish(),
    decode: (bytes): ContainerStatusResponse => v1.ContainerStatusResponse.decode(new TextReader(bytes)),
  } satisfies CriMethod<string, ContainerStatusResponse>,
  podSandboxLabels: {
    service: 'RuntimeService',
    name: 'PodSandboxStatus',
    encode: (podSandboxId) => v1.PodSandboxStatusRequest.encode({ podSandboxId }).finish(),
    decode: (bytes): LabelsResponse => v1.PodSandboxLabelsResponse.decode(new TextReader(bytes)),
  } satisfies CriMethod<string, LabelsResponse>,
  containerLabels: {
    service: 'RuntimeService',
    name: 'ContainerStatus',
    encode: (containerId) => v1.ContainerStatusRequest.encode({ containerId }).finish(),
    decode: (bytes): LabelsResponse => v1.ContainerLabelsResponse.decode(new TextReader(bytes)),
  } satisfies CriMethod<string, LabelsResponse>,
  listImages: {
    service: 'ImageService',
    name: 'ListImages',
    encode: () => v1.ListImagesRequest.encode({}).finish(),
    decode: (bytes): readonly Image[] => decodeList(bytes, v1.Image),
  } satisfies CriMethod<void, readonly Image[]>,
  imageFsInfo: {
    service: 'ImageService',
    name: 'ImageFsInfo',
    encode: () => v1.ImageFsInfoRequest.encode({}).finish(),
    decode: (bytes): ImageFsInfoResponse => v1.ImageFsInfoResponse.decode(new TextReader(bytes)),
  } satisfies CriMethod<void, ImageFsInfoResponse>,
  imageStatus: {
    service: 'ImageService',
    name: 'ImageStatus',
    encode: (image) => v1.ImageStatusRequest.encode({ image: { image }, verbose: true }).finish(),
    decode: (bytes): ImageStatusResponse => v1.ImageStatusResponse.decode(new TextReader(bytes)),
  } satisfies CriMethod<string, ImageStatusResponse>,
});

/** A message whose first field is a list of `entry`, such as ListContainersResponse. */
function decodeList<T>(bytes: Buffer, entry: { decode: (reader: protobuf.Reader, length: number) => T }): readonly T[] {
  const reader = new TextReader(bytes);
  const entries: T[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag !== LIST_TAG) reader.skipType(tag & 7);
    else if (entries.length >= MAX_LIST_ENTRIES) throw new RangeError(`more than ${String(MAX_LIST_ENTRIES)} entries`);
    else entries.push(entry.decode(reader, reader.uint32()));
  }
  return entries;
}

/** Field 1, length-delimited: the entries of a list, and the id of an entry. */
const LIST_TAG = (1 << 3) | 2;

function readId(reader: protobuf.Reader, length: number): string {
  const end = reader.pos + length;
  let id = '';
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === LIST_TAG) id = reader.string();
    else reader.skipType(tag & 7);
  }
  return id;
}
