import { createHash } from 'node:crypto'

/** What is done in one piece inside Redis. Values and leases are kept as `NUMBER TEXT`: version and JSON, token and owner. */
export interface Script {
  readonly lua: string
  readonly sha: string
  /** How many of the arguments are keys. */
  readonly keys: number
}

const script = (keys: number, lua: string): Script => ({
  lua,
  keys,
  sha: createHash('sha1').update(lua).digest('hex'),
})

/** Counters follow the clock (ms) so that they go on growing even when Redis has lost its last second, or all. */
const BUMP = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function bump(counter)
  local value = math.max((tonumber(redis.call('GET', counter)) or 0) + 1, now)
  local text = string.format('%.0f', value)
  redis.call('SET', counter, text)
  return value, text
end
`

/** keys: value, versions, index, expiring; arguments: name, expect, ttl, channel, prefix of values, JSON (absent: remove). -1: expect did not hold. */
export const WRITE = script(
  4,
  `${BUMP}
local name, expect, ttl, json = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[6]
local held = redis.call('GET', KEYS[1])
local version = held and string.match(held, '^%d+') or 'absent'
if expect ~= 'any' and expect ~= version then return -1 end
local written = 0
if json then
  local text
  written, text = bump(KEYS[2])
  if ttl > 0 then redis.call('SET', KEYS[1], text .. ' ' .. json, 'PX', ttl) else redis.call('SET', KEYS[1], text .. ' ' .. json) end
  redis.call('ZADD', KEYS[3], 0, name)
else
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], name)
end
if json and ttl > 0 then redis.call('ZADD', KEYS[4], now + ttl, name) else redis.call('ZREM', KEYS[4], name) end
for _, due in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 4)) do
  if redis.call('EXISTS', ARGV[5] .. due) == 0 then redis.call('ZREM', KEYS[3], due) end
  redis.call('ZREM', KEYS[4], due)
end
redis.call('PUBLISH', ARGV[4], 'k' .. name)
return written`,
)

/** keys: index; arguments: prefix of names, prefix of values. Name, held, name, held, … by name. */
export const LIST = script(
  1,
  `local found = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], '[' .. ARGV[1], '[' .. ARGV[1] .. '\\255')) do
  local held = redis.call('GET', ARGV[2] .. name)
  if held then
    found[#found + 1] = name
    found[#found + 1] = held
  else
    redis.call('ZREM', KEYS[1], name)
  end
end
return found`,
)

/** keys: lease, tokens; arguments: owner, ttl. The token, or -1 while another owner holds it. */
export const LEASE = script(
  2,
  `${BUMP}
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%d+ (.*)$') ~= ARGV[1] then return -1 end
local token, text = bump(KEYS[2])
redis.call('SET', KEYS[1], text .. ' ' .. ARGV[1], 'PX', ARGV[2])
return token`,
)

/** keys: lease; arguments: token and owner, ttl (0: give it up). 1 when it was still held. */
export const RENEW = script(
  1,
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`,
)

/** keys: stream; arguments: most entries, JSON, channel, name. The id. */
export const APPEND = script(
  1,
  `local id = redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[1], '*', 'v', ARGV[2])
redis.call('PUBLISH', ARGV[3], 's' .. ARGV[4])
return id`,
)
