import { matrix } from './matrix.ts';

matrix('server');
