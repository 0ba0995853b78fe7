import { describe, expect, it } from 'vitest';

import { Caller } from '../../../src/gateway/caller.ts';
import { FairQueue } from '../../../src/gateway/fair-queue.ts';

const fair = { places: 2, placesPerSubject: 1, maxWaiting: 10, timeoutMs: 60_000 };

/** Notes in which order those who ask are let in. */
function asked(queue: FairQueue, admitted: string[]) {
  return (subject: string | undefined, name = subject ?? 'visitor'): Promise<void> | undefined =>
    queue.enter(subject, new Caller())?.then(() => void admitted.push(name));
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a fair queue', () => {
  it('lets one person have their share at once, and somebody else what is left', () => {
    const queue = new FairQueue(fair);
    expect(queue.enter('alice', new Caller())).toBeUndefined();
    void queue.enter('alice', new Caller());
    expect(queue.enter('bob', new Caller())).toBeUndefined();
    expect(queue.waiting).toBe(1);
  });

  it('lets whoever waits in by turns of one each, whoever came with more', async () => {
    const queue = new FairQueue({ ...fair, places: 1 });
    const admitted: string[] = [];
    const ask = asked(queue, admitted);
    expect(ask('carol')).toBeUndefined();
    for (let n = 1; n <= 3; n += 1) void ask('alice', `alice ${n}`);
    void ask('bob', 'bob 1');
    void ask('bob', 'bob 2');
    for (const done of ['carol', 'alice', 'bob', 'alice', 'bob', 'alice']) {
      queue.leave(done);
      await settled();
    }
    expect(admitted).toEqual(['alice 1', 'bob 1', 'alice 2', 'bob 2', 'alice 3']);
    expect(queue.waiting).toBe(0);
    expect(queue.enter('bob', new Caller())).toBeUndefined();
  });

  it('does not let who has all of their places keep back who comes behind', async () => {
    const queue = new FairQueue(fair);
    const admitted: string[] = [];
    const ask = asked(queue, admitted);
    void ask('alice');
    void ask('bob');
    void ask('alice', 'alice again');
    void ask('carol');
    queue.leave('bob');
    await settled();
    expect(admitted).toEqual(['carol']);
    queue.leave('alice');
    await settled();
    expect(admitted).toEqual(['carol', 'alice again']);
  });

  it('gives visitors all places', () => {
    const queue = new FairQueue(fair);
    expect(queue.enter(undefined, new Caller())).toBeUndefined();
    expect(queue.enter(undefined, new Caller())).toBeUndefined();
    expect(queue.enter(undefined, new Caller())).toBeInstanceOf(Promise);
  });

  it('refuses who would be one too many, and who has waited too long', async () => {
    const queue = new FairQueue({ ...fair, maxWaiting: 1, timeoutMs: 1 });
    void queue.enter('alice', new Caller());
    const late = queue.enter('alice', new Caller());
    expect(() => queue.enter('alice', new Caller())).toThrow(expect.objectContaining({ code: '53300' }));
    await expect(late).rejects.toMatchObject({ code: '53300' });
    expect(queue.waiting).toBe(0);
  });

  it('forgets who has gone', async () => {
    const queue = new FairQueue({ ...fair, places: 1 });
    const admitted: string[] = [];
    const gone = new Caller();
    void queue.enter('carol', new Caller());
    const left = queue.enter('alice', gone);
    void asked(queue, admitted)('bob');
    gone.goAway();
    await expect(left).rejects.toMatchObject({ code: '57014' });
    queue.leave('carol');
    await settled();
    expect(admitted).toEqual(['bob']);
  });
});
