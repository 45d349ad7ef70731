/** Kinds of characters by their codes, of which headers of lines are made. */
export const isDigit = (code: number): boolean => code >= 48 && code <= 57;
export const isUpper = (code: number): boolean => code >= 65 && code <= 90;
export const isLetter = (code: number): boolean => isUpper(code) || (code >= 97 && code <= 122);

/** Blank, or a mark that separates columns. */
export const GAPS = new Set([...' \t-|,:/·*#>=~'].map((mark) => mark.charCodeAt(0)));
export const OPENERS = new Set([...'[(<{'].map((mark) => mark.charCodeAt(0)));
