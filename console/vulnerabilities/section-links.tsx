import type { JSX } from 'preact';
import { SectionLinks } from '../part/section-links.tsx';
import { fixesHash, imagesHash, vulnerabilitiesHash } from '../route.ts';

const SECTIONS = Object.freeze([
  { label: 'Vulnerabilities', href: vulnerabilitiesHash() },
  { label: 'Upgrades', href: fixesHash() },
  { label: 'Images', href: imagesHash() },
] as const);

/** The lists about images: vulnerabilities, upgrades, images. */
export function ImageSections({ current }: { readonly current: (typeof SECTIONS)[number]['label'] }): JSX.Element {
  return <SectionLinks label="Vulnerabilities" sections={SECTIONS} current={current} />;
}
