import { containerd } from './generated/cri.js';
import { TextReader } from './text-reader.ts';

const { SubscribeRequest, Envelope, ContainerEvent, TaskExit } = containerd.v1;

/** The call that streams the events of containerd; it has the same name in containerd 1 and 2. */
export const SUBSCRIBE = '/containerd.services.events.v1.Events/Subscribe';

/** What happened to a container of Kubernetes. */
export interface ContainerdEvent {
  /** `exec`: a further process in it started or ended. */
  readonly kind: 'container' | 'exec';
  readonly containerId: string;
}

/** Only what changes a container: images and snapshots have events too. */
const FILTER = 'namespace==k8s.io,topic~="^/(tasks/(start|exit|exec-started|paused|resumed)|containers/update)$"';

/** The request for the events of containers that were started through the CRI. */
export function encodeSubscribe(): Uint8Array {
  return SubscribeRequest.encode({ filters: [FILTER] }).finish();
}

/** One message of the stream; `containerId` is empty where it names no container. Throws on bytes that are no such message. */
export function decodeEvent(bytes: Buffer): ContainerdEvent {
  const { topic, event } = Envelope.decode(new TextReader(bytes));
  const value = new TextReader(Buffer.from(event?.value ?? new Uint8Array()));
  if (topic === '/tasks/exit') {
    const { containerId, id } = TaskExit.decode(value);
    return { kind: id === containerId ? 'container' : 'exec', containerId: containerId ?? '' };
  }
  const { containerId } = ContainerEvent.decode(value);
  return { kind: topic === '/tasks/exec-started' ? 'exec' : 'container', containerId: containerId ?? '' };
}
