import { instructionOf, judgeSteps, plainStep } from '../build-step.ts';
import { imageCheck } from '../check.ts';

export const addInstruction = imageCheck({
  id: 'image.add-instruction',
  title: 'Build steps use COPY instead of ADD',
  failTitle: 'Build steps use ADD instead of COPY',
  judgedBy: 'configuration',
  severity: 'low',
  rationale:
    'ADD downloads without verifying the content and unpacks archives, which may write outside the intended directory.',
  remediation:
    'Use COPY for files of the build context. For downloads use RUN and verify the digest, or ADD --checksum=sha256:….',
  references: ['https://docs.docker.com/build/building/best-practices/#add-or-copy'],
  judges: 'image',
  needs: [],
  judge: (image) =>
    judgeSteps(image, {
      meaning: 'a build step uses ADD where COPY is enough',
      expected: 'no ADD except for the base file system and downloads with a checksum',
      wrong: unneededAdd,
    }),
});

function unneededAdd(step: string, before: readonly string[]): string | undefined {
  if (instructionOf(step) !== 'ADD') return undefined;
  const text = plainStep(step);
  // COPY cannot download, and the builder verifies this one.
  if (isVerifiedDownload(text)) return undefined;
  return isBaseFileSystem(text) && !before.some(changesFiles) ? undefined : text;
}

/** `ADD --checksum=sha256:… https://…`: one download whose content is fixed. */
function isVerifiedDownload(text: string): boolean {
  const words = text.split(/\s+/).slice(1);
  const sources = words.filter((word) => !word.startsWith('--')).slice(0, -1);
  const isFixed = words.some((word) => /^--checksum=sha256:[0-9a-f]{64}$/.test(word));
  return isFixed && sources.length === 1 && /^https?:\/\//.test(sources[0] ?? '');
}

/** How base images begin: `ADD file:… in /` of the old builder, `ADD rootfs.tar.xz /` of BuildKit. */
function isBaseFileSystem(text: string): boolean {
  return !text.includes('://') && /\s(?:in )?\/$/.test(text);
}

function changesFiles(step: string): boolean {
  return step !== '' && ['RUN', 'COPY'].includes(instructionOf(step));
}
