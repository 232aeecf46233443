import { defineCommand } from '../command.ts';
import { runService } from '../run-service.ts';

export const admission = defineCommand({
  name: 'admission',
  summary: 'run the admission webhook of Kubernetes',
  usage: ['admission [options]'],
  description: [
    'Answers the Kubernetes API server whether a pod may run: its images by image policies, the pod itself by pod policies (docs/policy.md). Objects that create pods, such as Deployments, get the same reasons as warnings. Decides from local files, without asking anyone: the collector may be down. Runs in the foreground, logs to standard error, and writes what it denies, or allows in spite of violations, as OCSF events to standard output.',
    'POST /validate decides; POST /mutate replaces tags by the digest that was judged. docs/admission.md describes the manifests, certificates, break-glass and limits.',
  ],
  operands: { min: 0, max: 0 },
  options: [],
  settings: ['admission'],
  examples: [
    {
      line: 'plimsoll admission --admission-policies /etc/plimsoll/policies',
      meaning: 'decide by policy files, without a collector',
    },
  ],
  run: (context) => runService(context, context.programs.admission, 'it has no policies yet'),
});
