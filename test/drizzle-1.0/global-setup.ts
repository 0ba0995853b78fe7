import { installSecondLine } from './install.ts';

export default installSecondLine;
