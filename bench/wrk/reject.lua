-- For wrk: each call rejects a transfer that no call was about before.
--
-- Arguments behind "--": how it is asked (post, or patch as the gateway itself does), whether a POST has the PATCH's
-- body, too (body or bare), a file with callers' tokens, one a line, which take turns, and how many accounts do, 0 if
-- calls name none.

local customer = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0"
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  local kind, body, tokens = args[1], args[2] == "body" or args[1] == "patch", args[3]
  math.randomseed(os.time() * 64 + number)
  run = string.format("%08x-%04x-4000-8000-", math.random(0, 0x7fffffff), number)
  has_body = body
  local method = kind == "patch" and "PATCH" or "POST"
  before = method .. " " .. (kind == "patch" and "/v1/customers/" .. customer .. "/transfers/"
    or "/transfers/" .. customer .. "/")
  local path_end = kind == "patch" and "" or "/reject"
  local length = body and "Content-Type: application/json\r\nContent-Length: 63\r\n\r\n" or "Content-Length: 0\r\n\r\n"
  local callers = {}
  for token in io.lines(tokens) do
    callers[#callers + 1] = path_end .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
      .. "\r\nAuthorization: Bearer " .. token .. "\r\n"
  end
  local accounts = tonumber(args[4])
  after = {}
  for turn = 0, math.max(#callers, accounts) - 1 do
    local account = accounts > 0 and "Partner-Account: account-" .. turn % accounts .. "\r\n" or ""
    after[turn + 1] = callers[turn % #callers + 1] .. account .. length
  end
  -- Anywhere in the list, so that tokens that are to be shown once are not those of the last run.
  made = math.random(0, #after)
end

function request()
  made = made + 1
  local transfer = run .. string.format("%012x", made)
  local text = before .. transfer .. after[made % #after + 1]
  if has_body then
    return text .. '{"id":"' .. transfer .. '","status":"reject"}'
  end
  return text
end

-- In a line of JSON, for who started this. Statuses of 400 and above count as failures.
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nresult {"calls": %d, "seconds": %.6f, "failures": %d}\n',
    summary.requests, summary.duration / 1e6,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
