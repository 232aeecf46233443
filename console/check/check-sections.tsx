import type { JSX } from 'preact';
import { SectionLinks } from '../part/section-links.tsx';
import { benchmarksHash, checksHash, waiversHash } from '../route.ts';

const SECTIONS = Object.freeze([
  { label: 'Checks', href: checksHash() },
  { label: 'Benchmarks', href: benchmarksHash() },
  { label: 'Waivers', href: waiversHash() },
] as const);

/** The lists about what is judged: checks, benchmarks, and what is accepted. */
export function CheckSections({ current }: { readonly current: (typeof SECTIONS)[number]['label'] }): JSX.Element {
  return <SectionLinks label="Checks" sections={SECTIONS} current={current} />;
}
