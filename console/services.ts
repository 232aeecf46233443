import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Identity } from '../api/access.ts';
import type { ApiClient } from '../api/client.ts';
import type { SessionKeeper } from './api/session.ts';
import type { Cell } from './cell.ts';
import type { Density } from './findings/window.ts';
import type { Fleet } from './fleet/fleet.ts';
import type { Live } from './live/live.ts';
import type { QueryRecord } from './query/record.ts';

/** What the views of a signed-in page work with. */
export interface Services {
  readonly api: ApiClient;
  readonly session: SessionKeeper;
  /** Who is signed in; undefined until it was read. */
  readonly identity: Cell<Identity | undefined>;
  readonly live: Live;
  readonly fleet: Cell<Fleet>;
  /** The last queries, newest first; they live as long as the page. */
  readonly queries: Cell<readonly QueryRecord[]>;
  readonly density: Cell<Density>;
  /** Says something to people who hear the page. */
  readonly announce: (text: string) => void;
}

/** Carries the services to the views. */
export const ServicesContext = createContext<Services | undefined>(undefined);

/** The services; only below a provider of {@link ServicesContext}. */
export function useServices(): Services {
  const services = useContext(ServicesContext);
  if (services === undefined) throw new Error('no services around this component');
  return services;
}
