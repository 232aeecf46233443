import { readAddress } from './kind.ts';
import type { Address, Kind } from './kind.ts';

/** A server that programs connect to, with or without TLS. */
export interface ServerUrl {
  readonly isTls: boolean;
  readonly address: Address;
}

/** `SCHEME://host:port`, where one scheme is for TLS and one for none; the port may be left out; or `off`. */
export function serverUrlOrOff(tls: string, plain: string, defaultPort: number): Kind<ServerUrl | 'off'> {
  return {
    name: 'server',
    expects: `${tls}://host:port or ${plain}://host:port (without a port: ${String(defaultPort)}), or off`,
    read: (text) => {
      if (text === 'off') return text;
      const [, scheme, rest = ''] = /^([a-z]+):\/\/(.+)$/.exec(text) ?? [];
      if (scheme !== tls && scheme !== plain) return undefined;
      const found = readAddress(rest) ?? readAddress(`${rest}:${String(defaultPort)}`);
      return found === undefined || found.port === 0 ? undefined : { isTls: scheme === tls, address: found };
    },
  };
}

/** Servers of one cluster that programs connect to, with or without TLS. */
export interface ClusterUrl {
  readonly isTls: boolean;
  readonly addresses: readonly Address[];
}

/** `SCHEME://host:port,host:port`, where one scheme is for TLS and one for none; or `off`. */
export function clusterUrlOrOff(tls: string, plain: string): Kind<ClusterUrl | 'off'> {
  return {
    name: 'servers',
    expects: `${tls}://host:port or ${plain}://host:port, more of host:port after commas, or off`,
    read: (text) => {
      if (text === 'off') return text;
      const [, scheme, rest = ''] = /^([a-z]+):\/\/(.+)$/.exec(text) ?? [];
      if (scheme !== tls && scheme !== plain) return undefined;
      const found = rest.split(',').map((one) => readAddress(one.trim()));
      const addresses = found.filter((one) => one !== undefined && one.port !== 0) as readonly Address[];
      return found.length <= 64 && addresses.length === found.length ? { isTls: scheme === tls, addresses } : undefined;
    },
  };
}

/** A topic of Kafka. */
export function kafkaTopic(): Kind<string> {
  return {
    name: 'topic',
    expects: 'a topic of at most 249 letters, digits, dots, dashes and underscores',
    read: (text) => (/^[A-Za-z0-9._-]{1,249}$/.test(text) && text !== '.' && text !== '..' ? text : undefined),
  };
}

/** A subject of NATS: tokens of letters, digits, dashes and underscores, separated by dots. */
export function natsSubject(): Kind<string> {
  return {
    name: 'subject',
    expects: 'a subject such as plimsoll.events, without wildcards',
    read: (text) => (text.length <= 200 && /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(text) ? text : undefined),
  };
}
