// What the kernel charges the container of one idle agent of each role with, beside a bare Node HTTP server's.
import { setTimeout as pause } from 'node:timers/promises'
import { LABELS } from '../../../src/ports/engine/docker/names.ts'
import { figure, quantile } from '../dex/figures.ts'
import { openBenchFleet } from './bench-fleet.ts'
import { bareServers, memoryOf } from './containers.ts'

const SERVERS = 5
const SETTLE_MS = 30_000
const AT_MOST_BARE = 3

const fleet = await openBenchFleet(process.argv[2] ?? '')
const roles = Object.keys(await fleet.counts('full'))
const ready = await fleet.words(roles.length)
await fleet.client.scale(roles.map((role) => ({ role, op: 'set', count: 1 })))
await ready()
const servers = await bareServers(fleet.docker, SERVERS, 1)
await pause(SETTLE_MS)
const agents = await fleet.agents()
const byAgent = await memoryOf(fleet.docker, agents)
const bare = quantile(await memoryOf(fleet.docker, await servers.made()), 0.5)
await servers.remove(SERVERS)
await fleet.empty()
await fleet.close()
const byRole = Object.fromEntries(agents.map(({ labels }, i) => [labels[LABELS.role], byAgent[i]]))
const bar = { atMost: AT_MOST_BARE }
process.stdout.write(
  JSON.stringify({
    bareServerBytes: bare,
    byRoleBytes: byRole,
    figures: [
      figure('memory of an idle agent, median role, to a bare server', 'ratio', quantile(byAgent, 0.5) / bare, { bar }),
      figure('memory of an idle agent, heaviest role, to a bare server', 'ratio', Math.max(...byAgent) / bare, { bar }),
    ],
  }),
)
process.exit()
