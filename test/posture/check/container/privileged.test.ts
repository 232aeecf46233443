import t from 'tap';
import { privileged } from '../../../../posture/check/container/privileged.ts';

t.equal(privileged.id, 'container.privileged');
