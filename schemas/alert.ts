export type AlertChannel = { kind: string };
