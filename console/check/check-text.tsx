import type { JSX } from 'preact';
import type { Check } from '../../api/check.ts';

/** What a check is about: why, what to do, where to read more, and the benchmark controls that it answers. */
export function CheckText({ check, level }: { readonly check: Check; readonly level: 2 | 3 }): JSX.Element {
  const Heading = level === 2 ? 'h2' : 'h3';
  const read = [...new Set([check.judges, ...check.needs])];
  return (
    <div class="check-text">
      <Heading>When it fails</Heading>
      <p>{check.failTitle}</p>
      {check.severityLevels.length === 0 ? null : (
        <ul>
          {check.severityLevels.map(({ severity, when }) => (
            <li key={severity}>
              <strong>{severity}:</strong> {when}
            </li>
          ))}
        </ul>
      )}
      <Heading>Why it matters</Heading>
      <p>{check.rationale}</p>
      <Heading>What to do</Heading>
      <p>{check.remediation}</p>
      <Heading>What is read</Heading>
      <p>
        {read.map((fact, index) => (
          <span key={fact}>
            {index === 0 ? '' : ', '}
            <code>{fact}</code>
          </span>
        ))}
        . Judged by its {check.judgedBy}.
      </p>
      <Heading>Where to read more</Heading>
      <ul>
        {check.references.filter(isWebAddress).map((reference) => (
          <li key={reference}>
            <a href={reference} rel="noopener noreferrer" target="_blank">
              {reference}
              <span class="visually-hidden"> (opens a new tab)</span>
            </a>
          </li>
        ))}
      </ul>
      {check.controls.length === 0 ? null : (
        <>
          <Heading>Benchmark controls</Heading>
          <ul class="controls">
            {check.controls.map(({ benchmark, control }) => (
              <li key={`${benchmark} ${control}`}>
                {benchmark} <strong>{control}</strong>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

/** Nothing else may become a link: `javascript:` is an address too. */
function isWebAddress(reference: string): boolean {
  return /^https?:\/\//.test(reference);
}
