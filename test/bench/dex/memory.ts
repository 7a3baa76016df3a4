import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { startBot } from '../../../agent/market/bot.ts'
import { figure } from './figures.ts'

// A process as the bot is one: its own code in the main thread, and the search in a worker, which holds the states of all pools.

const began = process.memoryUsage().rss
const worker = new Worker(new URL('./memory-worker.mjs', import.meta.url), { workerData: process.argv[2] })
const [held] = (await once(worker, 'message')) as [{ pools: number; cycles: number; searches: number }]
const MB = 1e6

process.stdout.write(
  JSON.stringify({
    of: { ...held, code: startBot.name },
    figures: [
      figure('memory of the process that searches these pools', 'MB', process.memoryUsage().rss / MB, {
        bar: { atMost: 250 },
        reference: { what: 'the same process before it has pools', value: began / MB },
      }),
    ],
  }),
)
process.exit()
