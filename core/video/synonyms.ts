import { CAMERA_MOVEMENTS, type CameraMovement, LIGHTINGS, type Lighting } from './script.ts';

/** Words of people and models for what a scene may be; the first that is found counts. */
const MOVEMENTS: readonly [RegExp, CameraMovement][] = [
  [/zoom[\s_-]*in|push|dolly in|close[\s_-]*up|推进|推镜|推近|拉近|放大|特写/i, 'zoom_in'],
  [/zoom[\s_-]*out|pull|dolly out|wide|拉远|拉镜|缩小|远景|全景/i, 'zoom_out'],
  [/left|左/i, 'pan_left'],
  [/right|pan|tracking|右|平移|横移|摇/i, 'pan_right'],
  [/up|rise|crane|上升|仰|升/i, 'pan_up'],
  [/down|fall|下降|俯|降/i, 'pan_down'],
  [/static|still|fixed|none|静止|固定|定格/i, 'static'],
];

const LIGHTS: readonly [RegExp, Lighting][] = [
  [/night|moon|midnight|夜|月光/i, 'night'],
  [/warm|sunset|sunrise|golden|dusk|dawn|candle|fire|暖|夕阳|日出|黄昏|黎明|晨曦|火光|金色/i, 'warm'],
  [/cold|cool|snow|ice|winter|blue|冷|雪|冰|冬/i, 'cold'],
  [/dramatic|contrast|storm|thunder|戏剧|对比|雷|暴风/i, 'dramatic'],
  [/dark|dim|shadow|cave|昏暗|黑暗|阴影|洞穴|暗/i, 'dark'],
  [/bright|sunny|daylight|noon|明亮|阳光|晴|白天|正午/i, 'bright'],
  [/normal|natural|soft|自然|柔和|正常/i, 'normal'],
];

const firstOf = <T>(words: readonly [RegExp, T][], text: string): T | null => words.find(([pattern]) => pattern.test(text))?.[1] ?? null;

/** The camera movement that a free text means; null when it means none. */
export function movementIn(text: string): CameraMovement | null {
  return CAMERA_MOVEMENTS.find((name) => name === text) ?? firstOf(MOVEMENTS, text);
}

/** The lighting that a free text means; null when it means none. */
export function lightingIn(text: string): Lighting | null {
  return LIGHTINGS.find((name) => name === text) ?? firstOf(LIGHTS, text);
}
