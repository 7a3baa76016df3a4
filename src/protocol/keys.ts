import type { ServiceName } from './fleet.ts'

/** The names under which shared memory holds what; the schema of each value is named beside it. */
export const keys = {
  /** Wanted */
  wanted: 'wanted',
  /** Of a fleet that compose files make (src/fleet/adoption.ts): who makes what is missing; its changes are `wanted`'s */
  adoption: 'wanted/adoption',
  /** Halt */
  halt: 'halt',
  /** ChainInfo */
  chain: 'chain',
  /** Head */
  head: 'head',
  /** AgentRecord, with a time to live */
  agent: (id: string): string => `agent/${id}`,
  agents: 'agent/',
  /** ServiceRecord, with a time to live */
  service: (name: ServiceName): string => `service/${name}`,
  services: 'service/',
  /** Failure, with a time to live: why a unit was started again */
  failure: (id: string): string => `failure/${id}`,
  failures: 'failure/',
  /** Workflow (agent/workflow.ts) */
  workflow: (id: string): string => `workflow/${id}`,
  workflows: 'workflow/',
  /** Totals */
  totals: (chainInstance: string): string => `totals/${chainInstance}`,
  /** ScaleState (src/fleet/autoscale.ts) of every role that scales itself */
  autoscale: 'autoscale',
  /** FileLock: who holds a file of the shared project, and who waits for it */
  fileLock: (path: string): string => `file-lock/${path}`,
  fileLocks: 'file-lock/',
  /** How many file locks were ever given: each gets the next number as its token */
  fileTokens: 'file-tokens',
  /** Which planner plans an opportunity */
  claim: (opportunityId: string): string => `claim/${opportunityId}`,
  /** Id of the last entry of a stream that the hub has put into history */
  recorded: (stream: string): string => `recorded/${stream}`,
  /** The intent of an executor: durable before anything is sent */
  intent: (opportunityId: string, attempt: number): string => `intent/${opportunityId}/${attempt}`,
  /** Signer (agent/roles/sending/signer.ts): an address that an executor signs with, with a time to live; what test_writer simulates from */
  signer: (chainId: number, address: string): string => `signer/${chainId}/${address}`,
  signers: (chainId: number): string => `signer/${chainId}/`,
  /** Spending (agent/roles/sending/spending.ts): the loans of one token in the last hour of one executor */
  spending: (chainId: number, address: string, token: string): string => `spending/${chainId}/${address}/${token}`,
  /** Outbox (agent/roles/sending/nonces.ts): the nonces of one executor's key, and what they were given to until it is final */
  outbox: (chainId: number, address: string): string => `outbox/${chainId}/${address}`,
  outboxes: (chainId: number): string => `outbox/${chainId}/`,
  /** Account (agent/roles/sending/account.ts): what one executor's key lost and earned today, and its failures in a row */
  account: (chainId: number, address: string): string => `account/${chainId}/${address}`,
} as const

/** What money depends on: it must outlive every process, so embedded memory keeps it on the disk where the chain is a real one. */
export const MONEY_KEYS: readonly string[] = ['intent/', 'outbox/', 'account/', 'spending/', 'totals/']

/** Names of leases. */
export const leases = {
  reconciler: 'reconciler',
  autoscaler: 'autoscaler',
  pool: (chainInstance: string, pool: string): string => `pool/${chainInstance}/${pool}`,
  signer: (chainId: number, address: string): string => `signer/${chainId}/${address}`,
  /** Who watches executions until they are final */
  watcher: (chainId: number): string => `watcher/${chainId}`,
  bot: 'bot',
} as const

/** Names of streams. */
export const streams = {
  /** FleetEvent */
  events: 'events',
  /** Opportunity */
  opportunities: 'opportunities',
  /** ProfitPoint */
  profit: 'profit',
  /** AuditView */
  audit: 'audit',
} as const

/** How long a heartbeat counts, and how often it is renewed. */
export const HEARTBEAT = { everyMs: 2_000, ttlMs: 8_000 } as const
