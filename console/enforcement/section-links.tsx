import type { JSX } from 'preact';
import { SectionLinks } from '../part/section-links.tsx';
import { denialsHash, rolloutsHash } from '../route.ts';

const SECTIONS = Object.freeze([
  { label: 'Denials', href: denialsHash() },
  { label: 'Rollouts', href: rolloutsHash() },
] as const);

/** The views about what policies decide and do. */
export function PolicySections({ current }: { readonly current: (typeof SECTIONS)[number]['label'] }): JSX.Element {
  return <SectionLinks label="Policies" sections={SECTIONS} current={current} />;
}
