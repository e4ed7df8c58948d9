--- JSON-RPC 2.0 from the client's side: ids, pending callbacks, progress, time-outs. No sockets.
local compat = require('assistant.compat')
local log = require('assistant.log')
local methods = require('assistant.rpc.methods')

---@class assistant.Pending
---@field method string
---@field callback fun(err: assistant.Error?, result: any)
---@field on_progress fun(value: table)?
---@field token string?
---@field timer userdata?

---@class assistant.Client
---@field private write fun(line: string): boolean
---@field private on_notification fun(method: string, params: table)
---@field private pending table<integer, assistant.Pending>
---@field private tokens table<string, integer>
---@field private last_id integer
local Client = {}
Client.__index = Client

local M = {}

---@param write fun(line: string): boolean
---@param on_notification fun(method: string, params: table)
---@return assistant.Client
function M.new(write, on_notification)
  return setmetatable({
    write = write,
    on_notification = on_notification,
    pending = {},
    tokens = {},
    last_id = 0,
  }, Client)
end

--- Calls a person's or feature's function; its failure is its own and is logged.
local function guarded(what, fn, ...)
  local ok, err = pcall(fn, ...)
  if not ok then
    log.error('%s broke: %s', what, tostring(err))
  end
end

---@param message table
---@return string? line
---@return assistant.Error?
local function encode(message)
  local line = vim.json.encode(message)
  if #line >= methods.MAX_LINE_BYTES then
    return nil,
      {
        code = methods.code.REQUEST_FAILED,
        message = ('%s would send more than 8 MiB.'):format(message.method),
        data = { hint = 'Select less.' },
      }
  end
  return line
end

---@return integer id for the next request
function Client:next_id()
  self.last_id = self.last_id + 1
  return self.last_id
end

--- Sends a request; the callback is called exactly once, later than this returns where it was sent.
---@param id integer from `next_id`
---@param method string
---@param params table
---@param callback fun(err: assistant.Error?, result: any)
---@param options assistant.RequestOptions?
function Client:request(id, method, params, callback, options)
  options = options or {}
  local entry = { method = method, callback = callback, on_progress = options.on_progress }
  if options.on_progress then
    entry.token = 'p' .. id
    params = vim.tbl_extend('force', params, {
      [options.token_key or 'partialResultToken'] = entry.token,
    })
  end
  local line, err = encode({ jsonrpc = '2.0', id = id, method = method, params = params })
  if not line then
    vim.schedule(function()
      guarded(method, callback, err)
    end)
    return
  end
  self.pending[id] = entry
  if entry.token then
    self.tokens[entry.token] = id
  end
  if options.timeout_ms then
    self:start_timer(id, entry, options.timeout_ms)
  end
  self.write(line)
end

---@private
---@param id integer
---@param entry assistant.Pending
---@param timeout_ms integer
function Client:start_timer(id, entry, timeout_ms)
  entry.timer = compat.uv.new_timer()
  entry.timer:start(timeout_ms, 0, function()
    vim.schedule(function()
      if self.pending[id] == entry then
        self:notify(methods.CANCEL_REQUEST, { id = id })
        self:finish(id, {
          code = methods.code.REQUEST_FAILED,
          message = ('no answer within %g s.'):format(timeout_ms / 1000),
          data = { hint = 'Try again; :AILog has the detail.', retryable = true },
        })
      end
    end)
  end)
end

---@param method string
---@param params table
---@return boolean sent
function Client:notify(method, params)
  local line, err = encode({ jsonrpc = '2.0', method = method, params = params })
  if not line then
    log.warn('%s not sent: %s', method, (err or {}).message)
    return false
  end
  return self.write(line)
end

--- Cancels a request: the daemon is told, the callback is answered with -32800 at once.
---@param id integer
function Client:cancel(id)
  if self.pending[id] then
    self:notify(methods.CANCEL_REQUEST, { id = id })
    self:finish(id, { code = methods.code.CANCELLED, message = 'request cancelled' })
  end
end

---@private
---@param id integer
---@param err assistant.Error?
---@param result any
function Client:finish(id, err, result)
  local entry = self.pending[id]
  self.pending[id] = nil
  if entry.token then
    self.tokens[entry.token] = nil
  end
  if entry.timer then
    entry.timer:stop()
    entry.timer:close()
  end
  guarded(entry.method, entry.callback, err, result)
end

--- Takes lines from the daemon, in order. A line that is not a JSON-RPC message is logged.
---@param lines string[]
function Client:receive(lines)
  for _, line in ipairs(lines) do
    local ok, message = pcall(compat.json_decode, line)
    if not ok or type(message) ~= 'table' then
      log.warn('the daemon sent a line that is not JSON: %s', line:sub(1, 200))
    elseif type(message.method) == 'string' then
      local params = type(message.params) == 'table' and message.params or {}
      self:receive_notification(message.method, params)
    else
      self:receive_answer(message)
    end
  end
end

---@private
---@param method string
---@param params table
function Client:receive_notification(method, params)
  if method ~= methods.PROGRESS then
    guarded(method, self.on_notification, method, params)
    return
  end
  local id = self.tokens[params.token]
  -- Progress of a request that has ended is late, not wrong.
  if id and type(params.value) == 'table' then
    guarded(method, self.pending[id].on_progress, params.value)
  end
end

---@private
---@param message table
function Client:receive_answer(message)
  if not self.pending[message.id] then
    if message.id == nil and message.error then
      log.warn('the daemon reports: %s', vim.inspect(message.error))
    end
    return
  end
  local err = message.error
  if err ~= nil and type(err) ~= 'table' then
    err = { message = tostring(err) }
  end
  if err then
    err.code = tonumber(err.code) or methods.code.REQUEST_FAILED
    err.message = tostring(err.message or 'the request failed')
  end
  self:finish(message.id, err, message.result)
end

--- Whether any request waits for its answer.
---@return boolean
function Client:has_pending()
  return next(self.pending) ~= nil
end

--- Answers every pending request with `err`, as when the connection has ended.
---@param err assistant.Error
function Client:fail_all(err)
  local ids = vim.tbl_keys(self.pending)
  table.sort(ids)
  for _, id in ipairs(ids) do
    if self.pending[id] then
      self:finish(id, vim.deepcopy(err))
    end
  end
end

return M
