"""What Redis does at one go. Each script works on one log.

Keys: the thread's namespaces (a set); the log's rows by seq (a hash), its checkpoints' seqs by id
and the seqs of whole ones (sorted sets), the newest seq (a string). The first argument is the
namespace.
"""

from __future__ import annotations

from typing import Final

LAST: Final = "return tonumber(redis.call('GET', KEYS[5]) or 0)"

# Arguments: whether this is a second try, whether the log may begin here, the lifetime in
# milliseconds, the first seq; then for each row its checkpoint's id, whether it is whole, its bytes.
# The answer is -1, or the newest seq where the rows cannot follow it.
APPEND: Final = """
local last = tonumber(redis.call('GET', KEYS[5]) or 0)
local seq = tonumber(ARGV[5])
if ARGV[2] == '1' and redis.call('HGET', KEYS[2], ARGV[5]) == ARGV[8] then return -1 end
if seq ~= last + 1 and not (last == 0 and ARGV[3] == '1') then return last end
for at = 6, #ARGV, 3 do
    redis.call('HSET', KEYS[2], seq, ARGV[at + 2])
    if ARGV[at] ~= '' then redis.call('ZADD', KEYS[3], seq, ARGV[at]) end
    if ARGV[at + 1] == '1' then redis.call('ZADD', KEYS[4], seq, seq) end
    seq = seq + 1
end
redis.call('SET', KEYS[5], seq - 1)
redis.call('SADD', KEYS[1], ARGV[1])
if ARGV[4] ~= '0' then
    for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[4]) end
end
return -1
"""

# Argument: the id of the wanted checkpoint; without one, the newest.
LOAD: Final = """
local wanted
if ARGV[2] then
    wanted = redis.call('ZSCORE', KEYS[3], ARGV[2])
else
    wanted = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
end
if not wanted then return {} end
local first = redis.call('ZREVRANGEBYSCORE', KEYS[4], wanted, '-inf', 'LIMIT', 0, 1)[1]
if not first then return {} end
local after = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. wanted, '+inf',
    'WITHSCORES', 'LIMIT', 0, 1)[2]
local last = after and tonumber(after) - 1 or tonumber(redis.call('GET', KEYS[5]))
local rows = {}
for seq = tonumber(first), last do
    rows[#rows + 1] = redis.call('HGET', KEYS[2], seq)
end
return rows
"""

# Argument: the index of the last checkpoint that is wanted, from the newest one.
HISTORY: Final = """
local found = redis.call('ZREVRANGE', KEYS[3], 0, ARGV[2], 'WITHSCORES')
local rows = {}
for at = 2, #found, 2 do
    rows[#rows + 1] = redis.call('HGET', KEYS[2], found[at])
end
return rows
"""

# Argument: how many checkpoints to keep.
PRUNE: Final = """
local kept = redis.call('ZREVRANGE', KEYS[3], 0, ARGV[2] - 1, 'WITHSCORES')
local oldest = kept[#kept]
if not oldest then return 0 end
local first = redis.call('ZREVRANGEBYSCORE', KEYS[4], oldest, '-inf', 'LIMIT', 0, 1)[1]
if not first then return 0 end
local seq = tonumber(first) - 1
while seq > 0 and redis.call('HDEL', KEYS[2], seq) == 1 do seq = seq - 1 end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. first)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. first)
return 1
"""

DELETE: Final = """
redis.call('SREM', KEYS[1], ARGV[1])
return redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
"""
