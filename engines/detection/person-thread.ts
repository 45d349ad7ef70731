import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parentPort } from 'node:worker_threads';
import { NETWORK_SIDE, type NetworkRow } from '../../core/detection/persons.ts';

/** What the thread is asked, and what it answers: rows of the network and the picture's size, or what went wrong. The first answer, of id 0, says that it is ready. */
export type PersonQuestion = { id: number; jpeg: Uint8Array };
export type PersonAnswer = { id: number } & ({ rows: NetworkRow[]; width: number; height: number } | { error: string });

const require = createRequire(import.meta.url);
const [INPUT, OUTPUT] = ['tower_0/images', 'tower_0/detections'];
/** A picture that would take more memory than this, unpacked, is refused. */
const MOST_MB = 256;

type Tensorflow = typeof import('@tensorflow/tfjs-core');
type Model = { execute(inputs: Record<string, unknown>, output: string): { arraySync(): number[][][] } };

async function loadModel(tf: Tensorflow): Promise<Model> {
  const { loadGraphModel } = require('@tensorflow/tfjs-converter') as typeof import('@tensorflow/tfjs-converter');
  const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(`${path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  await tf.setBackend('wasm');
  await tf.ready();
  const folder = path.resolve(path.dirname(require.resolve('@vladmandic/human')), '..', 'models');
  const json = JSON.parse(await readFile(path.join(folder, 'centernet.json'), 'utf8'));
  const weights = await readFile(path.join(folder, 'centernet.bin'));
  const weightData = weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length) as ArrayBuffer;
  const weightSpecs = json.weightsManifest.flatMap((group: { weights: unknown[] }) => group.weights);
  const { modelTopology, format, signature } = json;
  return (await loadGraphModel({ load: async () => ({ modelTopology, format, signature, weightSpecs, weightData }) })) as unknown as Model;
}

function detect(tf: Tensorflow, model: Model, jpeg: Uint8Array): { rows: NetworkRow[]; width: number; height: number } {
  const { decode } = require('jpeg-js') as typeof import('jpeg-js');
  const { data, width, height } = decode(jpeg, { useTArray: true, formatAsRGBA: false, maxMemoryUsageInMB: MOST_MB });
  const rows = tf.tidy(() => {
    const picture = tf.tensor3d(data, [height, width, 3], 'int32');
    const seen = tf.expandDims(tf.cast(tf.image.resizeBilinear(picture, [NETWORK_SIDE, NETWORK_SIDE]), 'float32'), 0);
    return model.execute({ [INPUT]: seen }, OUTPUT).arraySync()[0] ?? [];
  });
  return { rows, width, height };
}

const answer = (message: PersonAnswer): void => parentPort?.postMessage(message);

async function serve(): Promise<void> {
  const tf = require('@tensorflow/tfjs-core') as Tensorflow;
  const model = await loadModel(tf);
  parentPort?.on('message', ({ id, jpeg }: PersonQuestion) => {
    try {
      answer({ id, ...detect(tf, model, jpeg) });
    } catch (cause) {
      answer({ id, error: (cause as Error).message });
    }
  });
  answer({ id: 0, rows: [], width: 0, height: 0 });
}

if (parentPort) await serve();
