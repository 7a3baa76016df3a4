import { figure } from './figures.ts'
import { benchBlocks } from './published.ts'

const BLOCKS = 200
const TOUCHED = 60

const threadEntry = new URL('./search-worker.mjs', import.meta.url)
const { published, delivered, ...rest } = await benchBlocks({ blocks: BLOCKS, touched: TOUCHED, threadEntry })
const what = 'time for the node to deliver the logs'
process.stdout.write(
  JSON.stringify({
    ...rest,
    delivered,
    figures: [
      figure('block seen to opportunities published, p50', 'ms', published.p50, {
        bar: { atMost: 10 },
        reference: { what: `${what}, p50`, value: delivered.p50 },
      }),
      figure('block seen to opportunities published, p99', 'ms', published.p99, {
        bar: { atMost: 50 },
        reference: { what: `${what}, p99`, value: delivered.p99 },
      }),
    ],
  }),
)
process.exit()
