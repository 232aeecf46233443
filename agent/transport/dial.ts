import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext } from 'node:tls';
import { Client, credentials } from '@grpc/grpc-js';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { FLEET_SERVICE, MAX_MESSAGE_BYTES } from '../../proto/fleet.ts';
import type { AgentMessage, CollectorMessage } from '../../proto/fleet.ts';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import { trackSockets } from '../../service/grpc-internals.ts';
import type { TlsFiles } from '../../service/tls/load-tls-files.ts';

/** One connection with one call on it. */
export interface Dialled {
  readonly call: ClientDuplexStream<AgentMessage, CollectorMessage>;
  /** Closes the connection, also one that is still being set up. */
  readonly close: () => void;
}

/** How often the other end is pinged, and how long its answer may take: together, until a dead session is noticed. */
export interface Keepalive {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/**
 * A dead session is noticed within 27 s, for some 310 bytes a minute. Nothing else shows it where the other end is gone
 * without a word, nor where Node loses sight of a socket that was reset (docs/decisions/0008-keepalive.md). The answer
 * has to pass what is on its way, at most the 64 KiB of the flow control of HTTP/2: a line of 6 KB/s is fast enough.
 */
export const KEEPALIVE: Keepalive = Object.freeze({ intervalMs: 15_000, timeoutMs: 12_000 });

/**
 * Connects to `target` and opens the session call: TLS 1.3, no authority but the given one, our own
 * certificate. Returns at once; what goes wrong shows as the status of the call.
 */
export function dial(target: Address, tls: TlsFiles, keepalive = KEEPALIVE): Dialled {
  const secure = credentials.createFromSecureContext(
    createSecureContext({ ca: tls.ca, cert: tls.cert, key: tls.key, minVersion: 'TLSv1.3' }),
    // Held to the name or address that was dialled, whatever name the handshake mentions.
    { checkServerIdentity: (_name, certificate) => checkServerIdentity(target.host, certificate) },
  );
  const destroySockets = trackSockets(secure);
  const client = new Client(formatAddress(target), secure, {
    // The server name of a handshake must not be an address (RFC 6066, section 3).
    ...(isIP(target.host) === 0 ? {} : { 'grpc.ssl_target_name_override': 'collector' }),
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    'grpc.keepalive_time_ms': keepalive.intervalMs,
    'grpc.keepalive_timeout_ms': keepalive.timeoutMs,
    // Each attempt is a new connection: when to try again is decided by us, not by a pool that remembers failures.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    // No lookups of configuration in DNS for a name that an attacker may answer for.
    'grpc.service_config_disable_resolution': 1,
  });
  const { path, requestSerialize, responseDeserialize } = FLEET_SERVICE.Session;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  const close = (): void => {
    client.close();
    destroySockets();
  };
  return { call, close };
}
