import type { JSX } from 'preact';
import { SectionLinks } from '../part/section-links.tsx';
import { deadLettersHash, detectionsHash, sinksHash } from '../route.ts';

const SECTIONS = Object.freeze([
  { label: 'Detections', href: detectionsHash() },
  { label: 'Sinks', href: sinksHash() },
  { label: 'Dead letters', href: deadLettersHash() },
] as const);

/** The views about events: detections, and the sinks that deliver them. */
export function EventSections({ current }: { readonly current: (typeof SECTIONS)[number]['label'] }): JSX.Element {
  return <SectionLinks label="Events" sections={SECTIONS} current={current} />;
}
