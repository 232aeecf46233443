import { safe } from '../../api/safe.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Text for XML 1.0 and HTML, in elements and in quoted attributes. Line feeds stay; other controls, which XML cannot hold
 * at all, become visible escapes.
 */
export function markup(value: string): string {
  return value
    .split('\n')
    .map((line) => safe(line).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? ''))
    .join('\n');
}
