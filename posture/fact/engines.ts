import * as s from '../schema.ts';
import { dockerSchema } from './docker.ts';

/** The engines of the node beside the one that `docker` is about, sorted by endpoint. */
export const enginesSchema = s.list(dockerSchema, 'further container engines of the node', 64);
/** See {@link enginesSchema}. */
export type EnginesFact = s.Infer<typeof enginesSchema>;
