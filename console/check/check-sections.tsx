import type { JSX } from 'preact';
import { SectionLinks } from '../part/section-links.tsx';
import { benchmarksHash, checksHash } from '../route.ts';

const SECTIONS = Object.freeze([
  { label: 'Checks', href: checksHash() },
  { label: 'Benchmarks', href: benchmarksHash() },
] as const);

/** The lists about what is judged: checks and benchmarks. */
export function CheckSections({ current }: { readonly current: (typeof SECTIONS)[number]['label'] }): JSX.Element {
  return <SectionLinks label="Checks" sections={SECTIONS} current={current} />;
}
