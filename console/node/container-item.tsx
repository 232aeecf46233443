import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { ComparedContainer } from '../../posture/compare/compare.ts';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { containerHash } from '../route.ts';
import { ago, counted, shortId } from '../../api/format.ts';
import { SettingTable } from './setting-table.tsx';

/** One container: its weaknesses, and all its settings on demand. */
export function ContainerItem({
  nodeId,
  compared,
  unread,
  isOpen,
}: {
  readonly nodeId: string;
  readonly compared: ComparedContainer;
  readonly unread: readonly string[];
  readonly isOpen: boolean;
}): JSX.Element {
  const { container, settings, differences, weaknesses } = compared;
  const [open, setOpen] = useState(isOpen);
  const id = useId();
  const startedMs = Date.parse(container.startedAt);
  const own = unread.filter((line) => line.startsWith(`containers[${container.name}]`));
  return (
    <li class="container">
      <div class="container-head">
        <h3>
          <button type="button" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
            <span class="container-turn" aria-hidden="true" />
            <UntrustedText text={container.name} />
          </button>
        </h3>
        <span class="container-image muted">
          <UntrustedText text={container.image} /> · {shortId(container.id)}
          {Number.isNaN(startedMs) ? null : ` · started ${ago(startedMs, Date.now())}`}
        </span>
        <ul class="container-tags">
          {differences > 0 ? <li class="differs">≠ {counted(differences, 'difference')}</li> : null}
          {weaknesses.map((text) => (
            <li key={text} class="weak">
              {text}
            </li>
          ))}
          {differences === 0 && weaknesses.length === 0 ? <li class="calm">as declared</li> : null}
        </ul>
      </div>
      <div id={id} class="container-body" hidden={!open}>
        {open ? (
          <>
            <SettingTable name={container.name} settings={settings} />
            {own.map((line) => (
              <p key={line} class="unread-line">
                not read: <UntrustedText text={line} />
              </p>
            ))}
            <p>
              <a href={containerHash(nodeId, container.id)}>
                Mounts, ports, devices, findings and history of this container
              </a>
            </p>
          </>
        ) : null}
      </div>
    </li>
  );
}
