import fc from 'fast-check';
import { captionsOf, webVtt } from '../../../core/video/captions.ts';
import { drawable } from '../../../core/video/glyphs.ts';
import { fitText, wrapText } from '../../../core/video/layout.ts';
import { readModelAnswer } from '../../../core/video/model-answer.ts';
import { pictureKind } from '../../../core/video/picture.ts';
import { probeProblem, readProbe } from '../../../core/video/probe.ts';
import { videoProgress } from '../../../core/video/progress.ts';
import { joinList, type SceneJob, sceneArguments } from '../../../core/video/scene-graph.ts';
import { writeScenes } from '../../../core/video/scene-writer.ts';
import { CAMERA_MOVEMENTS, LIGHTINGS, scriptProblems, VIDEO_LIMITS } from '../../../core/video/script.ts';
import { wavDuration } from '../../../core/video/wav.ts';

const FRAME = { width: 640, height: 360, fps: 24 };

describe('a script', () => {
  it('may last as long and hold as many pixels as is stated, and no more', () => {
    const scenes = (n: number, duration: number) => Array.from({ length: n }, () => ({ duration }));
    expect(scriptProblems(scenes(10, 60), FRAME)).toEqual([]);
    expect(scriptProblems(scenes(11, 60), FRAME)).toMatchObject([{ pointer: '/scenes', detail: expect.stringContaining('660 s') }]);
    expect(scriptProblems(scenes(10, 60), { width: 1920, height: 1920, fps: 60 })).toHaveLength(1);
  });
});

describe('the built-in scene writer', () => {
  const prompts = fc.oneof(
    fc.string({ minLength: 1, maxLength: 200 }),
    fc.constantFrom(
      '制作森林探险视频',
      '清晨，阳光照进森林。小鹿喝水！夜里下雪',
      'A fox wakes at dawn. It crosses v1.5 of a river; night falls',
      "\"%{}\n'quoted'",
    ),
  );

  it('writes as many scenes as were asked for, always the same, each with a description', () => {
    fc.assert(
      fc.property(
        prompts.filter((p) => p.trim() !== ''),
        fc.integer({ min: 1, max: 20 }),
        (prompt, scenes) => {
          const wish = { prompt, scenes, scene_duration: 3 };
          const script = writeScenes(wish);
          expect(script).toHaveLength(scenes);
          expect(writeScenes(wish)).toEqual(script);
          for (const scene of script) {
            expect(scene.description.trim()).not.toBe('');
            expect(scene.description.length).toBeLessThanOrEqual(VIDEO_LIMITS.description);
            expect(scene.description.isWellFormed()).toBe(prompt.isWellFormed() || scene.description.isWellFormed());
            expect(CAMERA_MOVEMENTS).toContain(scene.camera_movement);
            expect(LIGHTINGS).toContain(scene.lighting);
          }
        },
      ),
    );
  });

  it('makes three to eight scenes of a prompt that says nothing of it, one for each sentence', () => {
    const sentences = (n: number) => Array.from({ length: n }, (_, i) => `Sentence ${i}.`).join(' ');
    const count = (n: number) => writeScenes({ prompt: sentences(n), scenes: null, scene_duration: 3 }).length;
    expect([1, 3, 5, 12].map(count)).toEqual([3, 3, 5, 8]);
  });

  it('keeps every sentence, in order, when there are fewer scenes than sentences', () => {
    const prompt = 'One fox. Two owls. Three bears. Four mice.';
    expect(writeScenes({ prompt, scenes: 2, scene_duration: 3 }).map((s) => s.description)).toEqual([
      'One fox. Two owls.',
      'Three bears. Four mice.',
    ]);
  });

  it('reads lighting in both languages', () => {
    const lights = writeScenes({ prompt: '夜里很静。夕阳西下。Snow falls.', scenes: 3, scene_duration: 3 }).map((s) => s.lighting);
    expect(lights).toEqual(['night', 'warm', 'cold']);
  });
});

describe("a model's answer", () => {
  const read = (text: string, wanted: number | null = null) => readModelAnswer(text, { wanted, scene_duration: 4 });

  it('is found in words and code fences, with free words for movement and light', () => {
    const answer =
      'Here you are:\n```json\n{"scenes":[{"description":"森林","duration":"5","camera_movement":"镜头推进","lighting":"golden hour"}]}\n```';
    expect(read(answer)).toEqual({
      scenes: [
        { description: '森林', duration: 5, camera_movement: 'zoom_in', lighting: 'warm', voice_text: null, color: null, picture: null },
      ],
    });
  });

  it('can name no file', () => {
    expect(read('[{"description":"x","picture":"/etc/passwd"}]')).toMatchObject({ scenes: [{ picture: null }] });
  });

  it.each([
    ['no scenes here', 'no JSON array'],
    ['{"scenes":[]}', '0 scenes'],
    ['[{"description":"a"},{"description":" "}]', 'scene 2'],
    ['[{"description":"a"}]', 'expected 2'],
    ['[1', 'no JSON array'],
  ])('%s is refused with a reason', (text, reason) => {
    expect(read(text, text.includes('"a"}]') && !text.includes('" "') ? 2 : null)).toEqual({ problem: expect.stringContaining(reason) });
  });

  it('never throws and never gives a scene out of bounds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const found = read(text);
        if ('scenes' in found) for (const { duration } of found.scenes) expect(duration).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});

describe('progress', () => {
  it('is ten for the script, eighty for the scenes, ten for the joining', () => {
    const at = (done: number, fractions: number[], joined = 0) => videoProgress({ scripted: true, total: 4, done, fractions, joined });
    expect([at(0, []), at(1, []), at(1, [0.5]), at(4, []), at(4, [], 0.5), at(4, [], 1)]).toEqual([10, 30, 40, 90, 95, 99]);
    expect(videoProgress({ scripted: false, total: 4, done: 0, fractions: [], joined: 0 })).toBe(0);
  });

  it('never falls while scenes advance in any order', () => {
    const steps = fc.array(fc.record({ scene: fc.nat(4), by: fc.double({ min: 0, max: 0.6, noNaN: true }) }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (moves) => {
        const parts = [0, 0, 0, 0, 0];
        let last = 0;
        for (const { scene, by } of moves) {
          parts[scene] = Math.min(1, (parts[scene] ?? 0) + by);
          const open = parts.filter((part) => part < 1);
          const now = videoProgress({ scripted: true, total: 5, done: 5 - open.length, fractions: open, joined: 0 });
          expect(now).toBeGreaterThanOrEqual(last);
          last = now;
        }
        expect(last).toBeLessThan(100);
      }),
    );
  });
});

describe('the layout of a text', () => {
  const half = (character: string) => (/[\u2e80-\uffef]/u.test(character) ? 1 : 0.5);
  const widthOf = (line: string) => [...line].reduce((sum, character) => sum + half(character), 0);
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '森', '，', '%', '{', "'", '\\', '\n', '.'), maxLength: 120 });

  it('loses nothing but blanks at the ends of lines', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 2, max: 30 }), (text, max) => {
        const lines = wrapText(text, max, half);
        expect(lines.join('').replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(max);
      }),
    );
  });

  it('breaks at blanks and between Chinese characters, and lets no line begin with a full stop', () => {
    expect(wrapText('two words and 森林里有，狐狸。', 5, half)).toEqual(['two words', 'and 森林里', '有，狐狸。']);
    for (const line of wrapText('森林里有，狐狸。它跑了！', 4, half)) expect(line).not.toMatch(/^[，。！]/);
  });

  it('shrinks until all fits, and says when it had to cut', () => {
    const room = { width: 300, height: 100, largest: 40, smallest: 10, line_height: 1.25 };
    const fits = fitText('x'.repeat(100), room, half);
    expect(fits.cut).toBe(false);
    expect(fits.lines.length * fits.font_size * 1.25).toBeLessThanOrEqual(100);
    expect(fitText('short', room, half)).toEqual({ font_size: 40, lines: ['short'], cut: false });
    const cut = fitText('x'.repeat(2_000), room, half);
    expect(cut).toMatchObject({ font_size: 10, cut: true });
    expect(cut.lines.at(-1)).toMatch(/\.\.\.$/);
  });
});

describe('what a font can draw', () => {
  const latin = (character: string) => (character.codePointAt(0) ?? 0) < 0x300;

  it('leaves pictographs out, and reports letters', () => {
    expect(drawable('a\r\n🌲b\t#1 ©', latin)).toEqual({ text: 'a\nb    #1 ©', left_out: ['🌲'], missing: [] });
    expect(drawable('ok 森林', latin)).toMatchObject({ missing: ['森', '林'] });
    expect(drawable('a\u200d\ufe0f\u0007b\u3000c', latin)).toEqual({ text: 'ab c', left_out: [], missing: [] });
  });

  it('changes nothing of a text that the font covers', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => expect(drawable(text, latin).text).toBe(text)));
  });
});

describe('captions', () => {
  it('follow each other without gaps from the start of the scene to its end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('One fox.', 'Two owls!', '一只狐狸。', 'v1.5 '), { minLength: 1 }),
        fc.integer({ min: 1, max: 60 }),
        (parts, s) => {
          const captions = captionsOf(parts.join(' '), s);
          expect(captions[0]?.from_s).toBe(0);
          expect(captions.at(-1)?.to_s).toBeCloseTo(s, 2);
          for (const [i, { from_s }] of captions.entries()) if (i > 0) expect(from_s).toBe(captions[i - 1]?.to_s);
        },
      ),
    );
  });

  it('become WebVTT that no text can break out of', () => {
    const scenes = [
      { voice_text: 'A <b> & "x" --> y', duration: 2 },
      { voice_text: null, duration: 3 },
      { voice_text: '你好。', duration: 1 },
    ];
    expect(webVtt(scenes)).toBe(
      'WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nA &lt;b&gt; &amp; "x" --&gt; y\n\n00:00:05.000 --> 00:00:06.000\n你好。\n',
    );
  });
});

describe('the arguments of a scene', () => {
  const job = (more: Partial<SceneJob> = {}): SceneJob => ({
    ...FRAME,
    duration: 3,
    backdrop: { color: '#336699' },
    camera_movement: 'zoom_in',
    lighting: 'warm',
    font: 'font.ttf',
    lines: [{ file: 'text-1-1.txt', font_size: 36, baseline: 180 }],
    captions: [{ file: 'caption-1-1-1.txt', font_size: 18, baseline: 330, from_s: 0, to_s: 1.5 }],
    voice: null,
    threads: 1,
    output: 'scene-1.mp4',
    ...more,
  });
  const graphOf = (args: string[]) => args[args.indexOf('-filter_complex') + 1] ?? '';

  it('name the frames exactly and texts by file only', () => {
    const args = sceneArguments(job());
    expect(args[args.indexOf('-frames:v') + 1]).toBe('72');
    expect(graphOf(args)).toContain('drawtext=fontfile=font.ttf:textfile=text-1-1.txt:expansion=none:fontsize=36');
    expect(graphOf(args)).toContain("enable='between(t,0,1.5)'");
    expect(args.at(-1)).toBe('scene-1.mp4');
  });

  it('state the allowed protocols before each input that is a file', () => {
    const args = sceneArguments(job({ backdrop: { picture: 'p.png', decoder: 'png' }, voice: { file: 'v.wav', tempo: 1 } }));
    expect(args.join(' ')).toMatch(
      /-protocol_whitelist file,pipe -f image2 -c:v png -i p\.png -protocol_whitelist file,pipe -f wav -i v\.wav/,
    );
  });

  it('let sound end before the picture, for every duration', () => {
    for (let duration = 1; duration <= 60; duration += 1) {
      const samples = Number(/atrim=end_sample=(\d+)/.exec(graphOf(sceneArguments(job({ duration }))))?.[1]);
      expect(samples % 1024).toBe(0);
      expect(samples / 48_000).toBeLessThan(duration);
      expect(samples / 48_000).toBeGreaterThan(duration - 0.05);
    }
  });

  it.each(CAMERA_MOVEMENTS)('%s moves the view and stays within the picture', (camera_movement) => {
    const graph = graphOf(sceneArguments(job({ camera_movement })));
    const [, z = '', x = ''] = /zoompan=z='([^']+)':x='([^']+)'/.exec(graph) ?? [];
    const at = (on: number) => {
      const zoom = Function('on', `return ${z}`)(on) as number;
      return { zoom, x: Function('on', 'iw', 'zoom', `return ${x}`)(on, 1280, zoom) as number };
    };
    for (const on of [0, 36, 71]) {
      const view = at(on);
      expect(view.zoom).toBeGreaterThanOrEqual(1);
      expect(view.x).toBeGreaterThanOrEqual(0);
      expect(view.x + 1280 / view.zoom).toBeLessThanOrEqual(1280.001);
    }
  });

  it.each([
    [1.5, 'atempo=1.500'],
    [3, 'atempo=2,atempo=1.500'],
    [9, 'atempo=2,atempo=2.000'],
  ])('speed speech up by %d with filters that take at most 2', (tempo, chain) => {
    expect(graphOf(sceneArguments(job({ voice: { file: 'v.wav', tempo } })))).toContain(`[1:a]${chain},aresample`);
  });

  it('list scenes for joining with their durations', () => {
    expect(joinList([{ file: 'scene-1.mp4', duration: 3 }])).toBe('ffconcat version 1.0\nfile scene-1.mp4\nduration 3.000000\n');
  });
});

describe('pictures', () => {
  it.each([
    [[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], 'png'],
    [[0xff, 0xd8, 0xff, 0xe0], 'mjpeg'],
    [[...Buffer.from('RIFF....WEBP')], 'webp'],
    [[0x42, 0x4d, 0, 0], 'bmp'],
  ])('are known by their first bytes: %j is %s', (bytes, decoder) => {
    expect(pictureKind(Uint8Array.from(bytes))?.decoder).toBe(decoder);
  });

  it.each(['#EXTM3U\n/etc/passwd', 'ffconcat version 1.0', '<svg xmlns="x"/>', '', 'GIF89a'])('%j is none', (text) => {
    expect(pictureKind(Buffer.from(text))).toBeNull();
  });
});

describe('a probe', () => {
  const json = JSON.stringify({
    streams: [
      { codec_type: 'video', codec_name: 'h264', width: 640, height: 360, nb_frames: '72', r_frame_rate: '24/1' },
      { codec_type: 'audio' },
    ],
    format: { duration: '3.000000' },
  });
  const wanted = { ...FRAME, duration_s: 3, frames: 72, tolerance_s: 0.1 };

  it('is read, and compared with what was asked for', () => {
    expect(readProbe(json)).toEqual({ duration_s: 3, width: 640, height: 360, fps: 24, frames: 72, has_sound: true, codec: 'h264' });
    expect(probeProblem(readProbe(json), wanted)).toBeNull();
    expect(probeProblem(readProbe(json), { ...wanted, frames: 73 })).toContain('72 frames, expected 73');
    expect(probeProblem(readProbe(json), { ...wanted, duration_s: 3.2 })).toContain('expected 3.2 s');
    expect(probeProblem(readProbe(json), { ...wanted, width: 320 })).toContain('640×360');
    expect(probeProblem(readProbe(json.replace('"audio"', '"data"')), wanted)).toContain('no sound');
  });

  it.each(['', '{}', 'null', '{"streams":[]}', '[]'])('of %j is none', (text) => {
    expect(readProbe(text)).toBeNull();
    expect(probeProblem(readProbe(text), wanted)).toContain('no video');
  });
});

describe('a WAV file', () => {
  /** PCM of `seconds` at 8 kHz, 16 bits, one channel; `size` as the header states it. */
  const wav = (seconds: number, size = seconds * 16_000, extra = Buffer.alloc(0)) => {
    const head = Buffer.alloc(44 - 8);
    head.write('RIFF', 0);
    head.write('WAVE', 8);
    head.write('fmt ', 12);
    head.writeUInt32LE(16, 16);
    head.writeUInt32LE(8_000, 24);
    head.writeUInt32LE(16_000, 28);
    const data = Buffer.alloc(8);
    data.write('data', 0);
    data.writeUInt32LE(size, 4);
    return Buffer.concat([head, extra, data, Buffer.alloc(seconds * 16_000)]);
  };

  it('lasts as long as its header and its bytes say', () => {
    expect(wavDuration(wav(3))).toBe(3);
    expect(wavDuration(wav(3, 0))).toBe(3);
    expect(wavDuration(wav(3, 0x7f_ff_ff_ff))).toBe(3);
    const list = Buffer.from('LIST\x03\x00\x00\x00abc\x00', 'latin1');
    expect(wavDuration(wav(2, 32_000, list))).toBe(2);
  });

  it('is none of anything else', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => expect(wavDuration(bytes)).toBeNull()));
    expect(wavDuration(wav(0))).toBeNull();
  });
});
