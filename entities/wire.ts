/** A time column as the API shows it: ISO 8601 in UTC with milliseconds; null stays null. */
export const wireTime = (column: string, name: string = column.slice(column.indexOf('.') + 1)): string => `${jsonTime(column)} as ${name}`;

/** A time inside a JSON value, as `wireTime` spells it. */
export const jsonTime = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** A bigint or numeric column as a JavaScript number. */
export const wireNumber = (column: string, name: string = column.slice(column.indexOf('.') + 1)): string => `${column}::float8 as ${name}`;

/** Both times of every table. */
export const wireTimes = (alias: string): string => `${wireTime(`${alias}.created_at`)}, ${wireTime(`${alias}.updated_at`)}`;
