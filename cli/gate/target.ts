import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ImageTarget } from '../../image/policy/examine-image.ts';
import { parseReference } from '../../policy/reference.ts';
import type { Arguments } from '../arguments.ts';

/** What is to be examined, and its reference; or what is wrong with the arguments. */
export type GateTarget =
  | { readonly ok: true; readonly target: ImageTarget; readonly reference: string | undefined; readonly text: string }
  | { readonly ok: false; readonly problem: string; readonly hint?: string };

const FILE_SUFFIX = /\.(?:tar|tar\.gz|tgz|json)$/;

/**
 * The target of the command line. A path begins with `/`, `./` or `../`, or ends like an archive or SBOM and is there;
 * everything else is a reference: a file that happens to be called `alpine` must not stand in for the image.
 */
export function targetOf(args: Arguments, workingDirectory: string): GateTarget {
  const [operand] = args.operands;
  const rootfs = args.value('rootfs');
  const name = args.value('name');
  if (name !== undefined) {
    const parsed = parseReference(name);
    if (!parsed.ok) return { ok: false, problem: `--name: ${parsed.reason}` };
  }
  if (rootfs !== undefined) {
    if (operand !== undefined) return { ok: false, problem: 'give either an image or --rootfs' };
    return {
      ok: true,
      target: { kind: 'rootfs', path: resolve(workingDirectory, rootfs) },
      reference: name,
      text: rootfs,
    };
  }
  if (operand === undefined) return { ok: false, problem: 'gate needs an image', hint: 'see: plimsoll gate --help' };
  const path = resolve(workingDirectory, operand);
  if (/^\.{0,2}\//.test(operand) || (FILE_SUFFIX.test(operand) && existsSync(path))) {
    return {
      ok: true,
      target: { kind: operand.endsWith('.json') ? 'sbom' : 'archive', path },
      reference: name,
      text: operand,
    };
  }
  if (name !== undefined)
    return { ok: false, problem: '--name is for archives, SBOMs and root file systems: a reference names itself' };
  const parsed = parseReference(operand);
  if (!parsed.ok)
    return { ok: false, problem: `${JSON.stringify(operand)}: ${parsed.reason}`, hint: 'a path begins with ./ or /' };
  return { ok: true, target: { kind: 'reference', reference: parsed.value }, reference: operand, text: operand };
}
