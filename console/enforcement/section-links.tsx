import type { JSX } from 'preact';
import { SectionLinks } from '../part/section-links.tsx';
import { denialsHash, exemptionsHash, policiesHash, rolloutsHash } from '../route.ts';

const SECTIONS = Object.freeze([
  { label: 'Policies', href: policiesHash() },
  { label: 'Denials', href: denialsHash() },
  { label: 'Exemptions', href: exemptionsHash() },
  { label: 'Rollouts', href: rolloutsHash() },
] as const);

/** The views about what policies decide and do. */
export function PolicySections({ current }: { readonly current: (typeof SECTIONS)[number]['label'] }): JSX.Element {
  return <SectionLinks label="Policies" sections={SECTIONS} current={current} />;
}
