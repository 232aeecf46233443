import { instructionOf, judgeSteps, plainStep } from '../build-step.ts';
import { imageCheck } from '../check.ts';

export const addInstruction = imageCheck({
  id: 'image.add-instruction',
  title: 'Files come into images by COPY, not by ADD',
  severity: 'low',
  rationale:
    'ADD fetches from the network without a check of what came, and unpacks archives, which may write outside the directory that was meant.',
  remediation:
    'Use COPY for files of the build context; for the network, RUN with a download whose digest is verified, or ADD --checksum=sha256:….',
  references: ['https://docs.docker.com/build/building/best-practices/#add-or-copy'],
  judges: 'image',
  needs: [],
  judge: (image) => judgeSteps(image, 'no ADD but that of the base file system', unneededAdd),
});

function unneededAdd(step: string, before: readonly string[]): string | undefined {
  if (instructionOf(step) !== 'ADD') return undefined;
  const text = plainStep(step);
  return isBaseFileSystem(text) && !before.some(changesFiles) ? undefined : text;
}

/** How base images begin: `ADD file:… in /` of the old builder, `ADD rootfs.tar.xz /` of BuildKit. */
function isBaseFileSystem(text: string): boolean {
  return !text.includes('://') && /\s(?:in )?\/$/.test(text);
}

function changesFiles(step: string): boolean {
  return step !== '' && ['RUN', 'COPY'].includes(instructionOf(step));
}
