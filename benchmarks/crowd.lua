-- A crowd that comes steadily, for one handle after the other, whether or not those before were answered well.
-- Called as: wrk -s crowd.lua URL -- <prefix of the path> <first number> <requests a second> <connections>
local prefix, number, pause_ms

function init(args)
  prefix, number = args[1], tonumber(args[2]) - 1
  pause_ms = 1000 * tonumber(args[4]) / tonumber(args[3])
end

function delay()
  return pause_ms
end

function request()
  number = number + 1
  return wrk.format("GET", prefix .. number)
end
