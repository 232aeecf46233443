import type { JSX } from 'preact';
import { fixesHash, imagesHash, vulnerabilitiesHash } from '../route.ts';

const SECTIONS = Object.freeze([
  { view: 'vulnerabilities', label: 'Vulnerabilities', href: vulnerabilitiesHash() },
  { view: 'fixes', label: 'Upgrades', href: fixesHash() },
  { view: 'images', label: 'Images', href: imagesHash() },
] as const);

/** The lists about images: vulnerabilities, upgrades, images. */
export function SectionLinks({ view }: { readonly view: (typeof SECTIONS)[number]['view'] }): JSX.Element {
  return (
    <nav class="sections" aria-label="Vulnerabilities">
      <ul>
        {SECTIONS.map((section) => (
          <li key={section.view}>
            <a href={section.href} aria-current={section.view === view ? 'page' : undefined}>
              {section.label}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
