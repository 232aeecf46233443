import type { JSX } from 'preact';

/** Links to the lists of one section of the console. `current`: the label of the one that is open. */
export function SectionLinks({
  label,
  sections,
  current,
}: {
  readonly label: string;
  readonly sections: readonly { readonly label: string; readonly href: string }[];
  readonly current: string;
}): JSX.Element {
  return (
    <nav class="sections" aria-label={label}>
      <ul>
        {sections.map((section) => (
          <li key={section.href}>
            <a href={section.href} aria-current={section.label === current ? 'page' : undefined}>
              {section.label}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
