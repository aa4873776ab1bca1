import { matrix } from './matrix.ts';

matrix('embedded');
