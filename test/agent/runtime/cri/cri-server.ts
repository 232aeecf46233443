import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { status } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { Test } from 'tap';

/** The answer to a call: the bytes of a message, a gRPC status, or none at all. */
export type CriAnswer = { readonly bytes: Uint8Array } | { readonly code: status; readonly details?: string } | 'never';

/** A call as it arrives: `/runtime.v1.RuntimeService/ContainerStatus` and the bytes of the request. */
export type CriHandler = (call: {
  readonly version: string;
  readonly method: string;
  readonly request: Buffer;
}) => CriAnswer;

const METHODS = {
  RuntimeService: ['Version', 'Status', 'ListPodSandbox', 'PodSandboxStatus', 'ListContainers', 'ContainerStatus'],
  ImageService: ['ImageStatus', 'ListImages', 'ImageFsInfo'],
} as const;

/** A gRPC server on a unix socket that answers the calls of a CRI client as `handler` says. Answers the path of the socket. */
export async function startCriServer(t: Test, handler: CriHandler, versions = ['v1', 'v1alpha2']): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-cri-'));
  const path = join(directory, 'cri.sock');
  const server = new Server({ 'grpc.max_send_message_length': -1 });
  const plain = (bytes: Buffer): Buffer => bytes;
  for (const version of versions)
    for (const [service, methods] of Object.entries(METHODS)) {
      const definitions = methods.map((method) => [
        method,
        {
          path: `/runtime.${version}.${service}/${method}`,
          requestStream: false,
          responseStream: false,
          requestSerialize: plain,
          requestDeserialize: plain,
          responseSerialize: plain,
          responseDeserialize: plain,
        },
      ]);
      const handlers = methods.map((method) => [
        method,
        (
          { request }: { readonly request: Buffer },
          reply: (error: { code: status; details: string } | null, bytes?: Buffer) => void,
        ) => {
          const answer = handler({ version, method, request });
          if (answer === 'never') return;
          if ('code' in answer) reply({ code: answer.code, details: answer.details ?? '' });
          else reply(null, Buffer.from(answer.bytes));
        },
      ]);
      server.addService(Object.fromEntries(definitions) as never, Object.fromEntries(handlers) as never);
    }
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  t.teardown(() => {
    server.forceShutdown();
    rmSync(directory, { recursive: true, force: true });
  });
  return path;
}

/** Messages of the API as tests write them: field numbers from its public description, apart from those of the agent. */
const MESSAGES = `syntax = "proto3";
message VersionResponse { string version = 1; string runtimeName = 2; string runtimeVersion = 3; string runtimeApiVersion = 4; }
message StatusResponse { map<string, string> info = 2; }
message Metadata { string name = 1; string uid = 2; string namespace = 3; uint32 attempt = 4; }
message PodSandbox { string id = 1; Metadata metadata = 2; int32 state = 3; int64 createdAt = 4; map<string, string> labels = 5; }
message ListPodSandboxResponse { repeated PodSandbox items = 1; }
message NamespaceOption { int32 network = 1; int32 pid = 2; int32 ipc = 3; }
message Namespace { NamespaceOption options = 2; }
message Linux { Namespace namespaces = 1; }
message PodSandboxStatus { string id = 1; Metadata metadata = 2; int32 state = 3; int64 createdAt = 4; Linux linux = 6; map<string, string> labels = 7; }
message PodSandboxStatusResponse { PodSandboxStatus status = 1; map<string, string> info = 2; }
message ContainerMetadata { string name = 1; uint32 attempt = 2; }
message ImageSpec { string image = 1; }
message Container {
  string id = 1; string podSandboxId = 2; ContainerMetadata metadata = 3; ImageSpec image = 4; string imageRef = 5; int32 state = 6;
  int64 createdAt = 7; map<string, string> labels = 8; map<string, string> annotations = 9; string imageId = 10;
}
message ListContainersResponse { repeated Container containers = 1; }
message ContainerStatus {
  string id = 1; ContainerMetadata metadata = 2; int32 state = 3; int64 createdAt = 4; int64 startedAt = 5; ImageSpec image = 8;
  string imageRef = 9; map<string, string> labels = 12; string imageId = 17;
}
message ContainerStatusResponse { ContainerStatus status = 1; map<string, string> info = 2; }
message Int64Value { int64 value = 1; }
message Image { string id = 1; repeated string repoTags = 2; repeated string repoDigests = 3; Int64Value uid = 5; string username = 6; }
message ImageStatusResponse { Image image = 1; map<string, string> info = 2; }
`;
const { root } = protobuf.parse(MESSAGES);

/** The bytes of the response to a method. */
export function criMessage(method: string, value: object): { readonly bytes: Uint8Array } {
  const type = root.lookupType(`${method}Response`);
  return { bytes: type.encode(type.fromObject(value)).finish() };
}
