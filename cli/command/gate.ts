import { defineCommand, outputOption, QUIET_OPTION } from '../command.ts';
import { OUTPUT_FILE_OPTION } from '../output/output-file.ts';
import { runGate } from '../gate/run-gate.ts';
import { FAIL_ON_CHOICES } from '../gate/shortcut-policy.ts';

export const gate = defineCommand({
  name: 'gate',
  summary: 'decide whether an image may run',
  usage: [
    'gate REFERENCE --policy FILE',
    'gate ARCHIVE --policy FILE [--name REFERENCE]',
    'gate SBOM --policy FILE [--name REFERENCE]',
    'gate --rootfs DIR --policy FILE',
    'gate REFERENCE --fail-on SEVERITY',
  ],
  description: [
    'Lists the packages of an image, looks them up in the vulnerability database, and decides by image policies whether it may run. Prints every reason, with what to do. It needs no collector and no container engine.',
    'A reference is pulled from its registry, with the credentials of the Docker configuration. An archive is what docker save writes, or an OCI image layout (a tar or a directory). An SBOM is CycloneDX or SPDX in JSON: what it says is what its author claims. A path begins with / or ./ or ends in .tar, .tar.gz, .tgz or .json.',
    'What cannot be read, looked up or verified is never allowed: the exit status is 3 then. docs/policy.md describes policies, docs/gate.md their use in pipelines.',
  ],
  operands: { min: 0, max: 1, completes: 'file' },
  options: [
    { name: 'policy', value: 'FILE', repeated: true, completes: 'file', summary: 'policy file' },
    {
      name: 'fail-on',
      value: 'CONDITION',
      choices: FAIL_ON_CHOICES,
      repeated: true,
      summary: 'refuse vulnerabilities of this severity or a worse one, known exploited ones (kev), or by score',
    },
    { name: 'only-fixed', needs: 'fail-on', summary: 'with --fail-on: only vulnerabilities with a fixed version' },
    {
      name: 'unknown-severity',
      value: 'WORD',
      choices: ['couldNotTell', 'refuse', 'ignore'],
      needs: 'fail-on',
      summary:
        'with --fail-on SEVERITY: how vulnerabilities without a severity count, as most of Go, PyPI and Debian; default: couldNotTell (exit status 3)',
    },
    {
      name: 'vex',
      value: 'FILE',
      repeated: true,
      completes: 'file',
      summary: 'VEX statements (OpenVEX, CycloneDX, CSAF); what they say is not affected does not count',
    },
    {
      name: 'waivers',
      value: 'FILE',
      repeated: true,
      completes: 'file',
      summary: 'vulnerabilities that are accepted until a day',
    },
    { name: 'max-db-age', value: 'DURATION', summary: 'oldest database that is believed, such as 48h' },
    { name: 'rootfs', value: 'DIR', completes: 'directory', summary: 'judge a root file system' },
    { name: 'name', value: 'REFERENCE', summary: 'reference under which an archive will be deployed' },
    { name: 'namespace', value: 'NAME', summary: 'namespace that the image is to run in' },
    {
      name: 'platform',
      value: 'OS/ARCH',
      summary: 'which image of an index is judged, such as linux/arm64; default: that of this machine',
    },
    {
      name: 'baseline',
      value: 'FILE',
      completes: 'file',
      summary: 'earlier result (-o json); its violations in the contents of the image do not count',
    },
    { name: 'registry-ca', value: 'FILE', completes: 'file', summary: 'authorities of the registry in PEM' },
    { name: 'plain-http', summary: 'speak HTTP without TLS to the registry' },
    OUTPUT_FILE_OPTION,
    outputOption('table', 'json', 'ndjson', 'sarif', 'junit', 'gitlab', 'jsonpath='),
    QUIET_OPTION,
  ],
  settings: ['image'],
  examples: [
    {
      line: 'plimsoll gate ./app.tar --fail-on high --only-fixed --unknown-severity refuse',
      meaning: 'without a policy file',
    },
    {
      line: 'plimsoll gate registry.example.com/shop/db:16 --policy policy.yaml',
      meaning: 'exit status 0: it may run',
    },
    {
      line: 'plimsoll gate ./app.tar --policy policy.yaml -o sarif --output-file gate.sarif',
      meaning: 'for GitHub code scanning',
    },
  ],
  exits: [
    '  0  the image may run',
    '  1  it is refused: a rule is violated',
    '  2  wrong usage, or an external failure',
    '  3  could not tell: no rule is violated, but not everything is known',
  ],
  run: runGate,
});
