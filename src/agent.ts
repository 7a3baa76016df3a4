// What every agent needs is in the one file that its start reads; the rest is loaded when it is used.
import './ports/bus/rabbitmq.ts'
import './ports/memory/redis.ts'
import { runService } from './launch/service.ts'
import { startAgentProcess } from './launch/start-agent.ts'

declare const ARBDECK_VERSION: string

// Not awaited here: what is loaded later imports this file, and would wait for its end.
runService('agent', process.argv.slice(3), ARBDECK_VERSION, startAgentProcess).then((code) => process.exit(code))
