/** A template's defaults with a submission's parameters over them, key by key; the value of a key is replaced as a whole. */
export const mergeParameters = (defaults: Record<string, unknown>, given: Record<string, unknown>): Record<string, unknown> => ({
  ...defaults,
  ...given,
});
