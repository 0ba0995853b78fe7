import { createHmac } from 'node:crypto';

import type { LineLogger } from '../../config/define-config.ts';
import type { Observe } from '../../observe.ts';

/**
 * A line for each statement: the digest of who asked, the fingerprint of the statement, rows, time, and the code of a refusal. No
 * values, and no subject.
 *
 * The digest is of the subject with a key made of the sealing key: the same for one person on each gateway, and nothing from
 * which a list of likely subjects leads back to one.
 */
export function logStatements(logger: LineLogger, secret: Uint8Array): Observe {
  const key = createHmac('sha256', secret).update('drizzle-authorize identity digest 1').digest();
  return (event) => {
    const { type, role, subject, statement, fingerprint, durationMs } = event;
    const identity =
      subject === undefined ? null : createHmac('sha256', key).update(subject).digest('hex').slice(0, 16);
    const fields = { identity, role, statement, fingerprint: fingerprint ?? null, durationMs };
    if (type === 'query') logger.info({ ...fields, rows: event.rows }, 'statement');
    else logger.warn({ ...fields, code: event.code ?? null }, 'statement refused');
  };
}

/** A line for each statement that says who: subject, role, fingerprint, and rows or the code of a refusal. */
export function auditStatements(logger: LineLogger): Observe {
  return (event) => {
    const { type, role, subject, statement, fingerprint } = event;
    const fields = { subject: subject ?? null, role, statement, fingerprint: fingerprint ?? null };
    if (type === 'query') logger.info({ ...fields, rows: event.rows }, 'audit');
    else logger.warn({ ...fields, code: event.code ?? null }, 'audit: refused');
  };
}
