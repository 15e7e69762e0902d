-- A crowd that comes steadily, for one handle after the other, whether or not those before were answered well.
-- Called as: wrk -s crowd.lua URL -- <prefix of the path> <number of handles> <requests a second> <connections>
local prefix, handles, pause_ms, number

function init(args)
  prefix, handles = args[1], tonumber(args[2])
  pause_ms = 1000 * tonumber(args[4]) / tonumber(args[3])
  number = 0
end

function delay()
  return pause_ms
end

-- The first handle is left to others.
function request()
  number = number + 1
  return wrk.format("GET", prefix .. (1 + number % (handles - 1)))
end
