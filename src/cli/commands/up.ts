import type { Up } from '../../client/launcher.ts'
import { FleetError } from '../../protocol/errors.ts'
import type { FleetEvent, Summary } from '../../protocol/event.ts'
import { now } from '../../protocol/schemas.ts'
import { wei } from '../../protocol/units.ts'
import { type Command, type CommandContext, textOf } from '../command.ts'
import { eventText } from '../event-text.ts'
import { duration } from '../options.ts'
import { showPlan } from './fleet.ts'

/** `executed=3`, `opportunities=10` or `healthy`. */
export interface Condition {
  text: string
  holds(seen: Counted): boolean
}

/** Counted from this command's start. */
export interface Counted {
  healthy: boolean
  executed: number
  opportunities: number
  profitWei: bigint
}

/** @throws FleetError `usage` */
export function parseCondition(text: string): Condition {
  if (text === 'healthy') return { text, holds: (seen) => seen.healthy }
  const match = /^(executed|opportunities)=(\d+)$/.exec(text)
  if (!match)
    throw new FleetError('usage', `--until ${text} is not a condition`, {
      remedy: 'Use --until healthy, --until executed=3 or --until opportunities=10.',
    })
  const what = match[1] as 'executed' | 'opportunities'
  return { text, holds: (seen) => seen.healthy && seen[what] >= Number(match[2]) }
}

export const upCommand: Command = {
  name: ['up', 'start'],
  describe: 'start the fleet, or attach to it, and stream what happens',
  options: {
    detach: { type: 'boolean', default: false, alias: 'd', describe: 'return when healthy; the fleet goes on' },
    until: { type: 'string', describe: 'end when this holds: healthy, executed=N, opportunities=N' },
    for: { type: 'string', describe: 'end after this long, with exit 0: 30s, 5m' },
    timeout: { type: 'string', describe: 'give up after this long, with exit 4' },
    'dry-run': { type: 'boolean', default: false, describe: 'say what would be done, and do nothing' },
  },
  run: async (context, argv) => {
    if (argv['dry-run'] === true) return dryRun(context)
    return runUp(context, {
      detach: argv.detach === true,
      until: textOf(argv, 'until'),
      for: textOf(argv, 'for'),
      timeout: textOf(argv, 'timeout'),
    })
  },
}

async function dryRun(context: CommandContext): Promise<number> {
  const { why, plan } = await context.launcher.planUp(context.options)
  context.out.remark(why)
  showPlan(context, plan)
  return 0
}

interface UpArgs {
  detach: boolean
  until: string | undefined
  for: string | undefined
  timeout: string | undefined
}

/** `up`, and what `arbdeck` alone does without a terminal. */
export async function runUp(context: CommandContext, args: UpArgs): Promise<number> {
  const condition = args.until === undefined ? undefined : parseCondition(args.until)
  const forMs = duration('--for', args.for)
  const timeoutMs = duration('--timeout', args.timeout)
  const run = new UpRun(context, condition, timeoutMs, args.detach)
  return run.go(forMs)
}

class UpRun {
  readonly #context: CommandContext
  readonly #condition: Condition | undefined
  readonly #timeoutMs: number | undefined
  readonly #detach: boolean
  readonly #startedAt = now()
  readonly #seen: Counted = { healthy: false, executed: 0, opportunities: 0, profitWei: 0n }
  /** Aborts what is under way: held, timed out, or told to stop. */
  readonly #stop = new AbortController()
  #ending: 'held' | 'timeout' | undefined
  #endedAt: number | undefined

  constructor(
    context: CommandContext,
    condition: Condition | undefined,
    timeoutMs: number | undefined,
    detach: boolean,
  ) {
    this.#context = context
    this.#condition = condition
    this.#timeoutMs = timeoutMs
    this.#detach = detach
  }

  async go(forMs: number | undefined): Promise<number> {
    const { launcher, options, signal } = this.#context
    const timer = this.#timeoutMs === undefined ? undefined : setTimeout(() => this.#end('timeout'), this.#timeoutMs)
    const either = AbortSignal.any([signal, this.#stop.signal])
    let up: Up | undefined
    let forTimer: NodeJS.Timeout | undefined
    try {
      up = await launcher.up({ ...options, detach: this.#detach }, (event) => this.#show(event), either)
      this.#say(up.why)
      const ready = up.ready.then(() => {
        if (either.aborted) return // it was not waited for to the end
        this.#seen.healthy = true
        if (forMs !== undefined) forTimer = setTimeout(() => this.#end('held'), forMs)
        this.#check()
      })
      await Promise.race([Promise.all([ready, this.#follow(up, either)]), aborted(either)])
    } catch (thrown) {
      if (!either.aborted) throw thrown
    } finally {
      clearTimeout(timer)
      clearTimeout(forTimer)
      this.#stop.abort()
      if (up && !(this.#detach && this.#ending === 'held')) await up.leave()
      await up?.client.close()
    }
    return this.#finish()
  }

  /** Which engine and why, or that it runs already: on stderr, or as an event with --json. */
  #say(why: string): void {
    if (!this.#context.out.json) this.#context.out.remark(why)
    else this.#show({ type: 'note', at: now(), level: 'info', from: 'up', message: why })
  }

  async #follow(up: Up, signal: AbortSignal): Promise<void> {
    for await (const event of up.client.events({ last: 2_000, follow: true }, signal)) {
      if (event.at < this.#startedAt) continue
      this.#show(event)
      this.#count(event)
      this.#check()
    }
  }

  #count(event: FleetEvent): void {
    if (this.#ending !== undefined) return
    if (event.type === 'opportunity') this.#seen.opportunities++
    if (event.type !== 'execution') return
    this.#seen.executed++
    this.#seen.profitWei += event.profitWei
  }

  #check(): void {
    const holds = this.#condition ? this.#condition.holds(this.#seen) : this.#detach && this.#seen.healthy
    if (holds) this.#end('held')
  }

  #end(how: 'held' | 'timeout'): void {
    this.#ending ??= how
    this.#endedAt ??= Date.now()
    this.#stop.abort()
  }

  #show(event: FleetEvent): void {
    if (this.#ending === undefined) this.#context.out.line(event, () => eventText(event))
  }

  #finish(): number {
    const { out, signal } = this.#context
    const summary: Summary = {
      type: 'summary',
      at: now(),
      until: this.#condition?.text ?? null,
      held: this.#ending === 'held',
      ms: (this.#endedAt ?? Date.now()) - Date.parse(this.#startedAt),
      executed: this.#seen.executed,
      opportunities: this.#seen.opportunities,
      profitWei: wei(this.#seen.profitWei),
    }
    out.line(
      summary,
      () =>
        `${summary.executed} executed, ${summary.opportunities} opportunities in ${Math.round(summary.ms / 1_000)} s`,
    )
    if (this.#ending === 'held') return 0
    if (this.#ending === 'timeout') {
      const what = this.#condition?.text ?? 'a healthy fleet'
      throw new FleetError(
        'timeout',
        `${what} was not reached within ${(this.#timeoutMs ?? 0) / 1_000} s (healthy: ${this.#seen.healthy}, executed: ${this.#seen.executed}, opportunities: ${this.#seen.opportunities})`,
        {
          remedy: 'Give a longer --timeout, or see arbdeck status and arbdeck logs for what holds it up.',
        },
      )
    }
    return typeof signal.reason === 'number' ? signal.reason : 0
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
