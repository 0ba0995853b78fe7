/** Where PostgreSQL's parser cannot be loaded: nothing is proved of any statement. See {@link ./statement-judge.ts}. */
export const loadStatementJudge = undefined;
