import { EngineError, ErrorCode } from '../../core/errors.ts';

describe('EngineError', () => {
  it('carries what a caller can do, and is an Error', () => {
    const cause = new Error('below');
    const errors = [{ pointer: '/capacity', detail: 'must be at least 1' }];
    const error = new EngineError('invalid_input', 'queue "batch": capacity must be at least 1, got 0', {
      cause,
      errors,
      details: { got: 0 },
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'EngineError', code: 'invalid_input', retryable: false, cause, errors, details: { got: 0 } });
    expect(error.message).toBe('queue "batch": capacity must be at least 1, got 0');
  });

  it('has no details and no bad fields unless it is given some', () => {
    expect(new EngineError('internal', 'x')).toMatchObject({ details: {}, errors: [] });
  });

  it.each(Object.values(ErrorCode))('of the code %s may be retried only when time alone can mend it', (code) => {
    expect(new EngineError(code, 'x').retryable).toBe(code === 'unavailable' || code === 'timeout');
    expect(new EngineError(code, 'x', { retryable: true }).retryable).toBe(true);
    expect(new EngineError(code, 'x', { retryable: false }).retryable).toBe(false);
  });

  it('spells every code like its name', () => {
    for (const [name, value] of Object.entries(ErrorCode)) expect(value).toBe(name);
  });
});
