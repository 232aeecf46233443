import { isIP } from 'node:net';
import { formatAddress, loopbackOf } from './kind.ts';
import type { Address } from './kind.ts';
import type { Settings } from './settings.ts';

/** Is TLS used at the address of the operator API? Without a choice: everywhere but on loopback. */
export function usesApiTls({ api, apiTls }: Pick<Settings, 'api' | 'apiTls'>): boolean {
  return apiTls === 'auto' ? !isLoopback(api) : apiTls === 'on';
}

/** Can only programs of this machine reach the address? */
export function isLoopback({ host }: Address): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host === 'localhost';
}

/** Where a program of this machine reaches the operator API: `https://fleet.example.net:7480`. */
export function apiUrl(settings: Pick<Settings, 'api' | 'apiTls'>, address: Address = settings.api): string {
  return `${usesApiTls(settings) ? 'https' : 'http'}://${formatAddress(loopbackOf(address))}`;
}
