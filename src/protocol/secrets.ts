/**
 * Files in the folder that ARBDECK_SECRETS names, on Docker the volume of a process's level of trust. Each holds one value
 * without a line end; a process finds those that it may know.
 */
export const secretFiles = {
  operatorToken: 'operator-token',
  agentToken: 'agent-token',
  redisPassword: 'redis-password',
  rabbitmqPassword: 'rabbitmq-password',
  postgresPassword: 'postgres-password',
  /** Sandbox and executors: the executors' keys are made from it. */
  practiceSeed: 'practice-seed',
  /** Executors on a chain that is not the sandbox: one private key a line. */
  executorKeys: 'executor-keys',
  /** The whole URL of a node that is not the sandbox. */
  rpcUrl: 'rpc-url',
  /** Executors: the whole URL of the private RPC that transactions are handed to. */
  submitUrl: 'submit-url',
  /** Limits of the fleet as JSON; not a secret, and not to be changed by whom it binds. */
  limits: 'limits.json',
  /** What may be traded at all, as JSON; likewise. */
  risk: 'risk.json',
} as const
