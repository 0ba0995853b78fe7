/** The environment variable that holds the connection URL of a role: `DATABASE_AUTHENTICATED_URL`. */
export function urlVariable(role: string): string {
  return `DATABASE_${role.toUpperCase().replaceAll(/[^A-Z0-9]/gu, '_')}_URL`;
}
