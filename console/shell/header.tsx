import type { JSX } from 'preact';
import { BrandMark } from '../part/brand-mark.tsx';
import {
  checksHash,
  detectionsHash,
  findingsHash,
  historyHash,
  policiesHash,
  queryHash,
  vulnerabilitiesHash,
} from '../route.ts';
import type { Route } from '../route.ts';
import { useServices } from '../services.ts';
import { DensityButton } from './density-button.tsx';
import { IdentityTag } from './identity-tag.tsx';
import { LiveBadge } from './live-badge.tsx';
import { ThemeButton } from './theme-button.tsx';

const PLACES = Object.freeze([
  { label: 'Overview', href: '#/', views: ['overview', 'node', 'container'] },
  { label: 'Findings', href: findingsHash({ verdicts: ['fail'] }), views: ['findings'] },
  {
    label: 'Vulnerabilities',
    href: vulnerabilitiesHash(),
    views: ['vulnerabilities', 'vulnerability', 'fixes', 'images', 'image'],
  },
  {
    label: 'Policies',
    href: policiesHash(),
    views: ['policies', 'exemptions', 'denials', 'denial', 'rollouts', 'rollout'],
  },
  {
    label: 'Detections',
    href: detectionsHash(),
    views: ['detections', 'detection', 'sinks', 'deadLetters', 'deadLetter'],
  },
  { label: 'History', href: historyHash(), views: ['history'] },
  { label: 'Checks', href: checksHash(), views: ['checks', 'check', 'benchmarks', 'benchmark', 'waivers'] },
  { label: 'Query', href: queryHash(), views: ['query'] },
] satisfies readonly { readonly label: string; readonly href: string; readonly views: readonly Route['view'][] }[]);

/** The brand, the ways to the views, and the state of the page. */
export function Header({ view }: { readonly view: Route['view'] }): JSX.Element {
  const { session } = useServices();
  return (
    <header class="header">
      <a class="brand" href="#/" aria-label="Plimsoll, overview">
        <BrandMark size={26} />
        <span aria-hidden="true">Plimsoll</span>
      </a>
      <nav class="nav" aria-label="Main">
        <ul>
          {PLACES.map(({ label, href, views }) => (
            <li key={label}>
              <a href={href} aria-current={views.some((one) => one === view) ? 'page' : undefined}>
                {label}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="header-tools">
        <IdentityTag />
        <LiveBadge />
        <DensityButton />
        <ThemeButton />
        <button type="button" class="button button-quiet" onClick={() => session.end('left')}>
          Sign out
        </button>
      </div>
    </header>
  );
}
