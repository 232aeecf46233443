import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Identity } from '../../api/access.ts';
import type { ApiClient } from '../../api/client.ts';
import type { SessionKeeper } from '../api/session.ts';
import { createCell } from '../cell.ts';
import type { Cell } from '../cell.ts';
import { NO_FLEET } from '../fleet/fleet.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { useHash } from '../hook/use-hash.ts';
import { startLive } from '../live/live.ts';
import type { QueryRecord } from '../query/record.ts';
import { readRoute } from '../route.ts';
import { ServicesContext } from '../services.ts';
import type { Services } from '../services.ts';
import { wait } from '../../api/wait.ts';
import { readDensity } from '../density.ts';
import { FleetKeeper } from './fleet-keeper.tsx';
import { Header } from './header.tsx';
import { Shortcuts } from './shortcuts.tsx';
import { View } from './view.tsx';

/** What a signed-in person sees: the header and the view that the address names. */
export function SignedIn({ api, session }: { readonly api: ApiClient; readonly session: SessionKeeper }): JSX.Element {
  const said = useMemo(() => createCell(''), []);
  const services = useMemo(() => createServices(api, session, said), [api, session, said]);
  useEffect(() => () => services.live.stop(), [services]);
  const route = readRoute(useHash());
  return (
    <ServicesContext.Provider value={services}>
      <a class="skip-link" href="#main" onClick={skipToMain}>
        Skip to the content
      </a>
      <Header view={route.view} />
      <main id="main" tabIndex={-1} class={`view view-${route.view}`}>
        <View route={route} />
      </main>
      <FleetKeeper />
      <Shortcuts />
      <Announcer said={said} />
    </ServicesContext.Provider>
  );
}

function createServices(api: ApiClient, session: SessionKeeper, said: Cell<string>): Services {
  return {
    api,
    session,
    identity: createCell<Identity | undefined>(undefined),
    live: startLive(api, { wait, random: () => Math.random() }),
    fleet: createCell<Fleet>(NO_FLEET),
    density: createCell(readDensity()),
    queries: createCell<readonly QueryRecord[]>([]),
    announce: (text) => {
      // The same words again are only heard if they were gone in between.
      said.set('');
      setTimeout(() => said.set(text), 50);
    },
  };
}

/** The hash is the place of the page, so the link has to move the focus itself. */
function skipToMain(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Announcer({ said }: { readonly said: Cell<string> }): JSX.Element {
  const [text, setText] = useState('');
  useEffect(() => said.subscribe(setText), [said]);
  return (
    <div class="visually-hidden" role="status" aria-live="polite">
      {text}
    </div>
  );
}
