/** Text from outside as PostgreSQL can store it: no NUL, no lone surrogates. */
export const storable = (text: string): string => text.replaceAll('\0', '\uFFFD').toWellFormed();
