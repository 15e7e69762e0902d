-- What wrk sends: paths by a pattern, headers rotating over fifty sets as browsers and scripts send them.
-- Called as: wrk -s requests.lua URL -- <prefix of the path> <number of handles> [first number, to take them in order]
-- Handles are drawn at random, or taken one after the other.
local browsers = {
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
  "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
}
local languages = { "en-US,en;q=0.9", "de-DE,de;q=0.9,en;q=0.8", "fr,fr-FR;q=0.8,en-US;q=0.5", "zh-CN,zh;q=0.9", "ar,en;q=0.7" }
local referers = {
  "https://www.google.com/", "https://scholar.google.com/", "https://en.wikipedia.org/wiki/Handle_System",
  "https://www.worldcat.org/title/123456789", "https://dspace.example.edu/items/0b7a2f7e-51a2-4f0a-9c3b-2f1f0c8b2a11",
}
local scripts = {
  { ["User-Agent"] = "curl/8.16.0", ["Accept"] = "*/*" },
  { ["User-Agent"] = "python-requests/2.32.5", ["Accept-Encoding"] = "gzip, deflate", ["Accept"] = "*/*", ["Connection"] = "keep-alive" },
  { ["User-Agent"] = "pyhandle/1.5.0", ["Accept"] = "application/json" },
  { ["User-Agent"] = "Java/17.0.15", ["Accept"] = "text/html, image/gif, image/jpeg, */*; q=0.2" },
  { ["User-Agent"] = "Go-http-client/1.1", ["Accept-Encoding"] = "gzip" },
  { ["User-Agent"] = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8", ["From"] = "googlebot(at)googlebot.com" },
  { ["User-Agent"] = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", ["Accept"] = "*/*" },
  { ["User-Agent"] = "LinkChecker/10.6 (+https://linkchecker.github.io/linkchecker/)", ["Accept"] = "text/html,*/*;q=0.5" },
  { ["User-Agent"] = "Wget/1.25.0", ["Accept"] = "*/*", ["Accept-Encoding"] = "identity", ["Connection"] = "Keep-Alive" },
  { ["User-Agent"] = "node", ["Accept"] = "*/*", ["Accept-Language"] = "*", ["sec-fetch-mode"] = "cors", ["Accept-Encoding"] = "gzip, deflate" },
  { ["User-Agent"] = "okhttp/4.12.0", ["Accept-Encoding"] = "gzip" },
  { ["User-Agent"] = "libwww-perl/6.79", ["TE"] = "deflate,gzip;q=0.3" },
  { ["User-Agent"] = "GuzzleHttp/7" },
  { ["User-Agent"] = "DataCite-Checker/1.0 (mailto:support@datacite.example)", ["Accept"] = "text/html" },
  { ["User-Agent"] = "Zotero/7.0", ["Accept"] = "text/html,application/xhtml+xml" },
}

local sets = {}
for b, browser in ipairs(browsers) do
  for l, language in ipairs(languages) do
    local set = {
      ["User-Agent"] = browser,
      ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
      ["Accept-Language"] = language,
      ["Accept-Encoding"] = "gzip, deflate, br, zstd",
      ["Connection"] = "keep-alive",
      ["Upgrade-Insecure-Requests"] = "1",
    }
    if (b + l) % 2 == 0 then set["Referer"] = referers[(b + l) / 2 % #referers + 1] end
    if b <= 2 then set["Sec-Fetch-Dest"] = "document"; set["Sec-Fetch-Mode"] = "navigate"; set["Sec-Fetch-Site"] = "cross-site" end
    sets[#sets + 1] = set
  end
end
for _, set in ipairs(scripts) do sets[#sets + 1] = set end

local prefix, handles, in_order, tails, sent = "/", 1, false, {}, 0

function init(arguments)
  prefix, handles, in_order = arguments[1], tonumber(arguments[2]), arguments[3] ~= nil
  sent = tonumber(arguments[3] or "0")
  for number, set in ipairs(sets) do
    local lines = { " HTTP/1.1", "Host: " .. wrk.host .. ":" .. wrk.port }
    for name, value in pairs(set) do lines[#lines + 1] = name .. ": " .. value end
    tails[number] = table.concat(lines, "\r\n") .. "\r\n\r\n"
  end
  math.randomseed(20260101)
end

function request()
  sent = sent + 1
  local number = handles == 1 and 0 or in_order and sent % handles or math.random(0, handles - 1)
  return "GET " .. prefix .. number .. tails[sent % #tails + 1]
end

function done(summary, latency)
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
