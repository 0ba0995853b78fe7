/** In place of what some sessions have for queries that no builder makes, past everything that holds an identity. */
export function refuseRawQuery(): Promise<never> {
  return Promise.reject(new TypeError('session.query: use execute() of the handle'));
}
