// The entry of the thread that evaluates queries; query-worker.ts starts it. An expression comes from outside, so it
// runs where it can be stopped at any moment and where its memory has a limit of its own.
import { parentPort } from 'node:worker_threads';
import { createEvaluation } from './evaluation.ts';
import type { WorkerRequest } from './worker-protocol.ts';

const evaluation = createEvaluation();
parentPort?.on('message', (request: WorkerRequest) => parentPort?.postMessage(evaluation(request), []));
