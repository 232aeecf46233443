import type { JSX } from 'preact';
import { safe } from '../../api/safe.ts';
import type { Relation, ComparedSetting } from '../../posture/compare/setting.ts';
import { UntrustedText } from '../part/untrusted-text.tsx';

/** What people read for each relation: a sign and words, so that nobody needs the colour. */
const RELATIONS = Object.freeze({
  same: { sign: '=', word: 'as declared' },
  differs: { sign: '≠', word: 'differs' },
  unread: { sign: '?', word: 'not read' },
  only: { sign: '·', word: 'nothing to compare' },
} satisfies Record<Relation, { readonly sign: string; readonly word: string }>);

/** The settings of a container, declared beside effective. On a small screen each setting is a block of its own. */
export function SettingTable({
  name,
  settings,
}: {
  readonly name: string;
  readonly settings: readonly ComparedSetting[];
}): JSX.Element {
  return (
    <table class="settings">
      <caption class="visually-hidden">Settings of {safe(name)}, as declared and as the kernel enforces them</caption>
      <thead>
        <tr>
          <th scope="col">Setting</th>
          <th scope="col">Declared</th>
          <th scope="col">Effective</th>
          <th scope="col">Compared</th>
        </tr>
      </thead>
      <tbody>
        {settings.map(({ name, declared, effective, relation, difference, weakness }) => (
          <tr key={name} class={`setting setting-${relation}`}>
            <th scope="row">{name}</th>
            <td data-label="Declared">
              <UntrustedText text={declared} />
            </td>
            <td data-label="Effective">
              <UntrustedText text={effective} />
              {weakness === '' ? null : <span class="weak"> ! weak</span>}
            </td>
            <td data-label="Compared" class="relation">
              <span class="relation-sign" aria-hidden="true">
                {RELATIONS[relation].sign}
              </span>{' '}
              {RELATIONS[relation].word}
              {difference === '' ? null : <span class="relation-why">: {difference}</span>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
