import { parseCoco } from '../../../core/detection/coco.ts';

const categories = [
  { id: 1, name: 'person' },
  { id: 2, name: 'Hair Net' },
];

describe('COCO files', () => {
  it('as data sets: frames are numbered as the images say, and images without annotations are frames without objects', () => {
    const { frames } = parseCoco(
      JSON.stringify({
        images: [
          { id: 7, file_name: 'b.jpg', frame_id: 12 },
          { id: 3, file_name: 'a.jpg', frame_id: 4, timestamp: '2026-01-01T00:00:00Z' },
          { id: 9, file_name: 'c.jpg', frame_id: 20 },
        ],
        annotations: [
          { id: 1, image_id: 7, category_id: 1, bbox: [1, 2, 3, 4], track_id: 5 },
          { id: 2, image_id: 7, category_id: 2, bbox: [1, 2, 3, 4], score: 0.5 },
          { id: 3, image_id: 3, category_id: 77, bbox: [1.5, 2, 3, 4] },
        ],
        categories,
      }),
    );
    expect(frames.map(({ frame_number, timestamp, person_count }) => [frame_number, timestamp, person_count])).toEqual([
      [4, Date.UTC(2026, 0, 1), 0],
      [12, null, 1],
      [20, null, 0],
    ]);
    expect(frames[1]?.objects).toEqual([
      { track_id: '5', label: 'person', score: null, box: [1, 2, 3, 4], violations: [] },
      { track_id: null, label: 'hair_net', score: 0.5, box: [1, 2, 3, 4], violations: [] },
    ]);
    expect(frames[0]?.objects[0]?.label).toBe('category_77');
  });

  it('without frame numbers are numbered in their order', () => {
    const file = { images: [{ id: 'x' }, { id: 'a' }], annotations: [{ image_id: 'a', category_id: 1, bbox: [0, 0, 1, 1] }], categories };
    expect(parseCoco(JSON.stringify(file)).frames.map(({ frame_number, person_count }) => [frame_number, person_count])).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  it('as results: the image id is the frame, category 1 a person', () => {
    const list = [
      { image_id: 42, category_id: 1, bbox: [258, 41, 348, 243], score: 0.236 },
      { image_id: 3, category_id: 18, bbox: [0, 0, 1, 1], score: 0.9 },
    ];
    const { frames } = parseCoco(JSON.stringify(list));
    expect(frames.map(({ frame_number, objects }) => [frame_number, objects[0]?.label, objects[0]?.score])).toEqual([
      [3, 'category_18', 0.9],
      [42, 'person', 0.236],
    ]);
  });

  it.each([
    ['{"images": [\n{"id": 1}\n"x"', '/line/3', 'expected JSON'],
    ['{"images": [', '', 'expected JSON'],
    ['5', '', 'expected an array'],
    ['{}', '/annotations', 'expected an array'],
    ['[{"image_id": 1, "bbox": [1, 2, 3]}]', '/0/bbox', 'expected [left, top, width, height] in pixels, got [1,2,3]'],
    ['[{"image_id": 1, "bbox": [1, 2, -3, 4]}]', '/0/bbox', 'expected [left, top, width, height]'],
    ['[{"image_id": "x", "bbox": [1, 2, 3, 4]}]', '/0/image_id', 'expected a whole number, got "x"'],
    ['[5]', '/0', 'expected an object, got 5'],
    [
      '{"images": [{"id": 1}], "annotations": [{"image_id": 2, "bbox": [1, 2, 3, 4]}]}',
      '/annotations/0/image_id',
      'expected the id of an image, got 2',
    ],
    ['{"images": [{"id": 1}, {"id": 1}], "annotations": []}', '/images/1/id', 'expected an id of its own'],
    ['{"images": [{"id": 1, "frame_id": 3}, {"id": 2, "frame_id": 3}], "annotations": []}', '/images/1', 'one file is one video'],
    ['{"images": [7], "annotations": []}', '/images/0', 'expected an object with an id, got 7'],
  ])('with a mistake name its place: %s', (text, pointer, detail) => {
    const errors = (() => {
      try {
        parseCoco(text);
      } catch (error) {
        return (error as { errors: { pointer: string; detail: string }[] }).errors;
      }
      return [];
    })();
    expect(errors[0]).toEqual({ pointer, detail: expect.stringContaining(detail) });
  });
});
